"""Signed names of studies for links. launch.py and results.py seal and open them; a UID never leaves through a link."""

from itsdangerous import BadSignature, URLSafeSerializer


class StudyTokens:
    """Turn a case pseudonym into a URL-safe token that only this node can have made, and back."""

    def __init__(self, secret: str) -> None:
        self._serializer = URLSafeSerializer(secret, salt="radir.study")

    def seal(self, case_id: str) -> str:
        token = self._serializer.dumps(case_id)
        return token if isinstance(token, str) else token.decode("ascii")

    def open(self, token: str) -> str | None:
        """Give the case pseudonym, or None when the token is not one of ours."""
        try:
            case_id = self._serializer.loads(token)
        except BadSignature:
            return None
        return case_id if isinstance(case_id, str) else None
