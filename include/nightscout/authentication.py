"""How requests show who asks, without a secret in any URL that is logged, any repr or any message."""

import hashlib
import html
import re
from typing import Any
from urllib.parse import quote

from requests import PreparedRequest
from requests.auth import AuthBase

from include.nightscout.bodies import UnusableBodyError, object_in
from include.nightscout.connections import Credentials

EXCHANGE_REQUEST = "/api/v2/authorization/request/"  # followed by the access token: the URL is a secret too
JSON_WEB_TOKEN = re.compile(r"[\w.~+/=-]+", re.ASCII)
MASK = "***"


class ApiSecretHeader(AuthBase):
    """The API secret, hashed as Nightscout wants it: sha1 in hexadecimal, in the header `api-secret`."""

    def __init__(self, api_secret: str) -> None:
        self.digest = hashlib.sha1(api_secret.encode()).hexdigest()  # noqa: S324

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["api-secret"] = self.digest
        return request


class BearerHeader(AuthBase):
    """A JSON web token that the site gave in exchange for an access token."""

    def __init__(self, json_web_token: str) -> None:
        self.json_web_token = json_web_token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.json_web_token}"
        return request


class TokenInPath(AuthBase):
    """Appends the access token to the URL at the last moment, so that no message can quote it."""

    def __init__(self, token: str) -> None:
        self.token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.url = f"{request.url}{quote(self.token, safe='')}"
        return request


class Authentication:
    """What one client knows of its credentials; `header` is None until a needed exchange has been made."""

    def __init__(self, credentials: Credentials) -> None:
        self._token = credentials.token
        self._secrets = [secret for secret in (credentials.token, credentials.api_secret) if secret]
        self.header: AuthBase | None = None
        if credentials.api_secret and not credentials.token:
            self.header = ApiSecretHeader(credentials.api_secret)
            self._secrets.append(self.header.digest)

    @property
    def is_token(self) -> bool:
        """Whether these credentials are a token, which must be exchanged before it can be sent."""
        return self._token is not None

    def exchange(self) -> AuthBase:
        """What completes the request that exchanges the token."""
        return TokenInPath(self._token or "")

    def accept(self, json_web_token: str) -> None:
        """Use what the site gave in exchange, in this client's next requests."""
        self._secrets.append(json_web_token)
        self.header = BearerHeader(json_web_token)

    def mask(self, text: str) -> str:
        """The text with every known secret, in the forms in which servers repeat it, made unreadable."""
        for secret in sorted(self._secrets, key=len, reverse=True):
            for form in (secret, quote(secret, safe=""), html.escape(secret)):
                text = re.sub(re.escape(form), MASK, text, flags=re.IGNORECASE)
        return text

    @property
    def advice(self) -> str:
        """What to check when the site refuses."""
        if not self._secrets:
            return (
                "the site is not readable for everybody: set NIGHTSCOUT_TOKEN or NIGHTSCOUT_API_SECRET, with "
                "sites.yaml the password of the site's connection"
            )
        setting = (
            "NIGHTSCOUT_TOKEN (its role must be able to read)" if self._token else "NIGHTSCOUT_API_SECRET"
        )
        return f"check {setting}, with sites.yaml the password of the site's connection"


def json_web_token_in(body: bytes) -> str:
    """The token of an exchange's answer. Raises UnusableBodyError when there is none."""
    answer: dict[str, Any] = object_in(body)
    json_web_token = answer.get("token")
    if not isinstance(json_web_token, str) or not JSON_WEB_TOKEN.fullmatch(json_web_token):
        raise UnusableBodyError("a JSON object without a usable `token`")
    return json_web_token
