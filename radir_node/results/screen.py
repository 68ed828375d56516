"""An answer for people at a terminal: `radir search` and the demo."""

from rich.console import Console

from radir_node.domain.match import SimilarCases, shown_age


def show(console: Console, answer: SimilarCases) -> None:
    """Print an answer for people."""
    asked = f" (asked: {answer.mapped_from})" if answer.mapped_from else ""
    cases = f"{len(answer.matches)} of {answer.eligible} cases"
    console.print(f"[bold]{answer.modality}, {answer.anatomy_label}[/bold]{asked}: {cases}")
    for match in answer.matches:
        year = str(match.study_date.year) if match.study_date else ""
        age = shown_age(match.age_years)
        facts = ", ".join(part for part in (f"{age} y" if age else "", match.sex, year) if part)
        console.print(f"\n[bold]{match.rank:>2}. {match.percent} %[/bold]  {match.case_id}  {facts}")
        if match.shared_findings:
            console.print(f"    shared: {'; '.join(match.shared_findings)}", markup=False)
        for sentence in match.sentences or ("(no report sentence speaks of it)",):
            console.print(f"    {sentence}", markup=False)
