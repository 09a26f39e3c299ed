"""That a request cannot be said in a dialect: raised deep inside `encode`, caught at its top."""


class Unsayable(Exception):
    """`param` and `why` are those of `ports.dialect.Unfaithful`; neither quotes the line."""

    def __init__(self, param: str, why: str) -> None:
        super().__init__(param)
        self.param = param
        self.why = why
