"""Time medspaCy on texts from standard input. Run by reports.py in medspaCy's own environment, never imported.

The pipeline is medspaCy's default: sentences by PyRuSH, a target matcher, ConText with its own rules. The targets are
words of the fourteen findings.
"""

import json
import sys
import time

import medspacy
from loguru import logger
from medspacy.ner import TargetRule

TARGETS = (
    *(
        "atelectasis",
        "atelectases",
        "cardiomegaly",
        "enlarged heart",
        "pleural effusion",
        "pleural effusions",
        "effusion",
    ),
    *("effusions", "infiltrate", "infiltrates", "mass", "masses", "nodule", "nodules", "pneumonia", "pneumothorax"),
    *("consolidation", "edema", "emphysema", "fibrosis", "pleural thickening", "hiatal hernia", "hernia"),
)


def main() -> None:
    """Print milliseconds of processor time per text, loading left out."""
    logger.remove()  # PyRuSH would print every token of every report
    texts = json.load(sys.stdin)
    pipeline = medspacy.load()
    pipeline.get_pipe("medspacy_target_matcher").add([TargetRule(target, "FINDING") for target in TARGETS])
    pipeline("No pneumothorax.")
    begin = time.process_time()
    for text in texts:
        [(entity.text, entity._.is_negated, entity._.is_uncertain) for entity in pipeline(text).ents]
    sys.stdout.write(json.dumps({"ms": (time.process_time() - begin) / len(texts) * 1000}))


if __name__ == "__main__":
    main()
