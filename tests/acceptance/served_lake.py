"""The lake of several recorded sites, each on a server of its own, after one run over all of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.cli.homes import Home, forking_commands
from tests.nightscout.misbehaving import misbehaving_server
from tests.nightscout.recorded_site import RecordedSite


@contextmanager
def served_lake(
    folder: Path,
    sites: Mapping[str, RecordedSite],
    about: Mapping[str, dict[str, Any]],
    first: str,
    last: str,
) -> Iterator[Home]:
    """Days `first` to `last` of `sites`; `about` is what their list says of each, a zone at least."""
    with forking_commands() as commands, ExitStack() as stack:
        settings = {"SITES_FILE": str(folder / "sites.yaml")}
        listed = []
        for site_id, site in sites.items():
            server = stack.enter_context(misbehaving_server())
            server.respond = site
            settings[f"AIRFLOW_CONN_{site_id.upper()}"] = json.dumps({"host": server.url})
            listed.append({"id": site_id, "connection": site_id, **about[site_id]})
        Path(settings["SITES_FILE"]).write_text(json.dumps(listed))
        home = Home(commands, folder / "lakehouse", settings)
        stack.callback(home.remove)
        done = home.load(first, last)
        assert done.code == 0, done.err
        yield home
