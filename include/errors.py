"""Every error of the project, as one tree. A message says what happened and what the user can do."""


class LakehouseError(Exception):
    """Root of the tree: whatever the project raises on purpose."""


class SettingsError(LakehouseError):
    """A setting is missing, malformed, or contradicts another one."""


class InputError(LakehouseError):
    """Something a person typed (a date, a range, a name) cannot be used."""


class SourceError(LakehouseError):
    """A Nightscout site did not give what was asked for."""


class SourceRefusedError(SourceError):
    """The site refused our credentials (401, 403). Trying again only makes the site slower."""


class SourceUnavailableError(SourceError):
    """The site could not be reached or answered with a passing fault, after all bounded retries."""


class SourceContractError(SourceError):
    """The site answered something that is not Nightscout: HTML, an object, a redirect, half a JSON."""


class StageError(LakehouseError):
    """A staged read is missing, damaged, or would be written twice."""


SITE_ERRORS = (SourceError, StageError, SettingsError)
"""What may come of reading one site, and concerns that site alone: it is left out, others go on."""


class ContractError(LakehouseError):
    """A table or frame does not have the shape its Pandera model promises; no row of it is used."""


class SiteLeftOutError(LakehouseError):
    """One site's new reads are not merged in this run; its last data stays, other sites go on."""


class LeaseLostError(LakehouseError):
    """This run no longer holds the lease, so it must not write any more."""


class BranchError(LakehouseError):
    """A branch is missing, was promoted already, or belongs to another lease: clear the whole run."""


class ConflictError(BranchError):
    """Main moved since the branch was opened: nothing was promoted; clear the whole run."""


class AuditError(LakehouseError):
    """The audit found something wrong on the branch; main stays as it was."""


class PublishError(LakehouseError):
    """The published tables could not be replaced; readers keep the last publication."""


class ReportError(LakehouseError):
    """A report could not be made; the published tables are as they were."""


class TransformError(LakehouseError):
    """A dbt model or one of its tests failed on the branch."""


class LakeFormatError(LakehouseError):
    """The lake was written by a newer version of this program."""


class ServiceError(LakehouseError):
    """A service or the machine itself (Postgres, a port, the disk) is not usable; names which one."""
