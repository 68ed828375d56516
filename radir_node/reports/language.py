"""Tell whether a text is written in a language that has a lexicon. Used by the parser: no guessed tags."""

from radir_node.reports.lexicon import Lexicon, foreign_words, stop_words

_FOREIGN_WORDS = 3
"""So many different small words of another language, and more of them than of this one, make a text foreign."""
_WORDS_TO_JUDGE = 12
"""A text of fewer different words, abbreviations and numbers apart, is too short to tell."""
_UNKNOWN_SHARE = 0.8
"""A text without one small word of the language, and so many words that no phrase begins with, is in another one."""
_MARKS = ".,;:!?()\"'"


def is_written_in(low: str, language: str, lexicon: Lexicon) -> bool:
    """Tell whether a lower-cased text is in the language of the lexicon, or too short to tell."""
    words = set(low.split())
    small = stop_words()
    own = len(words & small[language])
    if len(words & foreign_words(language)) >= _FOREIGN_WORDS:
        return own >= max(len(words & others) for code, others in small.items() if code != language)
    return own > 0 or not _is_strange({word.strip(_MARKS) for word in words}, lexicon)


def _is_strange(words: set[str], lexicon: Lexicon) -> bool:
    spelled = [word for word in words if len(word) > 3 and word.isalpha()]
    if len(spelled) < _WORDS_TO_JUDGE:
        return False
    return sum(not lexicon.phrases.begins_with(word) for word in spelled) >= _UNKNOWN_SHARE * len(spelled)
