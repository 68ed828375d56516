"""The numbers of /metrics: requests as they are answered, and the node's health read at each scrape. No identifiers."""

from collections.abc import Callable, Iterable, Iterator

import structlog
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from radir_node.errors import RadirError
from radir_node.web.dicom_state import DicomState
from radir_node.web.ports import Health
from radir_node.web.report_state import ReportState

log = structlog.get_logger()

Labelled = Iterable[tuple[tuple[str, ...], float]]


class WebMetrics:
    """One registry per application, so that two of them in one process do not share counts."""

    def __init__(
        self, health: Callable[[], Health], dicom: Callable[[], DicomState], reports: Callable[[], ReportState]
    ) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(HealthCollector(health, dicom, reports))
        self._requests = Histogram(
            "radir_web_request_seconds",
            "Time to answer a request, by route template",
            ("method", "route", "status"),
            registry=self._registry,
        )

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; route is the template ("/s/{token}"), never the path."""
        self._requests.labels(method, route, str(status)).observe(seconds)

    def exposition(self) -> bytes:
        """Write the Prometheus text format."""
        return generate_latest(self._registry)


class HealthCollector(Collector):
    """Turn UseCases.health, .dicom and .reports into gauges; radir_health_up is 0, and alone, while one is unknown."""

    def __init__(
        self, health: Callable[[], Health], dicom: Callable[[], DicomState], reports: Callable[[], ReportState]
    ) -> None:
        self._health = health
        self._dicom = dicom
        self._reports = reports

    def describe(self) -> list[Metric]:
        return []  # spares a call of health() when the collector is registered

    def collect(self) -> Iterator[Metric]:
        try:
            health, dicom, reports = self._health(), self._dicom(), self._reports()
        except RadirError as error:
            log.warning("health unknown", error=type(error).__name__)
            yield _gauge("radir_health_up", "The node answered with its health", [((), 0)])
            return
        yield _gauge("radir_health_up", "The node answered with its health", [((), 1)])
        yield from _archive(health)
        yield from _index(health)
        yield from _exchange(dicom)
        yield from _report_channels(reports)


def _archive(health: Health) -> Iterator[Metric]:
    states = [((state.value,), float(count)) for state, count in health.studies.items()]
    coverage = [
        ((row.modality.value, step), float(count))
        for row in health.coverage
        for step, count in (("received", row.received), ("indexed", row.indexed), ("with_report", row.with_report))
    ]
    yield _gauge("radir_studies", "Studies by state", states, "state")
    yield _gauge("radir_coverage_studies", "Studies that reached a step, by modality", coverage, "modality", "step")
    yield _gauge("radir_instances", "Stored instances", [((), health.instances)])
    yield _gauge("radir_reports", "Stored reports", [((), health.reports)])
    yield _gauge("radir_refused_instances", "Instances not taken", [((), sum(r.instances for r in health.refused))])
    yield _gauge("radir_jobs", "Jobs waiting or running", [((), health.queue.depth)])
    yield _gauge("radir_jobs_failed", "Jobs given up", [((), health.queue.failed)])
    yield _gauge("radir_jobs_oldest_seconds", "Age of the oldest job", [((), health.queue.oldest_seconds or 0.0)])
    yield _gauge("radir_storage_bytes", "Bytes used", [((), health.storage.used_bytes)])
    yield _gauge("radir_storage_free_bytes", "Bytes free", [((), health.storage.free_bytes)])


def _index(health: Health) -> Iterator[Metric]:
    now = health.checked_at
    snapshots, probes = health.snapshots, health.recall
    yield _gauge(
        "radir_index_rows", "Vectors in the index", [((s.modality.value,), s.rows) for s in snapshots], "modality"
    )
    yield _gauge(
        "radir_index_unapplied_changes",
        "Catalogue changes not applied yet",
        [((s.modality.value,), s.unapplied_changes) for s in snapshots],
        "modality",
    )
    yield _gauge(
        "radir_index_last_seal_seconds",
        "Age of the snapshot",
        [((s.modality.value,), (now - s.built_at).total_seconds()) for s in snapshots],
        "modality",
    )
    yield _gauge(
        "radir_index_probe_recall",
        "Recall at 10 against exact search",
        [((p.modality.value,), p.recall_at_10) for p in probes],
        "modality",
    )
    models = [((m.model_id, m.modality.value), float(m.studies)) for m in health.models]
    yield _gauge("radir_embeddings", "Studies by encoder version", models, "model_version", "modality")


def _exchange(dicom: DicomState) -> Iterator[Metric]:
    spool = dicom.spool
    yield _gauge("radir_spool_objects", "Objects acknowledged and not registered", [((), spool.objects)])
    yield _gauge("radir_spool_bytes", "Bytes acknowledged and not registered", [((), spool.size_bytes)])
    yield _gauge("radir_spool_oldest_seconds", "Age of the oldest of them", [((), spool.oldest_seconds or 0.0)])
    yield _gauge("radir_quarantined_objects", "Objects that no catalogue takes", [((), spool.quarantined)])
    for name, text, debts in (
        ("radir_deliveries", "Objects that a peer has not got", dicom.deliveries),
        ("radir_commitment_reports", "Storage commitment reports that are owed", dicom.reports),
    ):
        yield _gauge(name, text, [(("waiting",), debts.waiting), (("dead",), debts.dead)], "state")
    known = [((completion.value,), float(count)) for completion, count in dicom.completions.items()]
    studies = [(("open",), float(dicom.open_count)), *known]
    yield _gauge("radir_studies_by_completion", "Studies by how they are known to be complete", studies, "completion")


def _report_channels(reports: ReportState) -> Iterator[Metric]:
    states = [((state,), float(count)) for state, count in reports.messages.items()]
    oldest = reports.oldest_waiting_seconds or 0.0
    yield _gauge("radir_hl7_listening", "The HL7 service runs", [((), float(bool(reports.listening)))])
    yield _gauge("radir_report_messages", "Messages that brought reports, by what became of them", states, "state")
    yield _gauge("radir_report_messages_oldest_seconds", "Age of the oldest that waits to be linked", [((), oldest)])
    yield _gauge("radir_reports_not_parsed", "Reports in a language without lexicon", [((), reports.not_parsed)])
    yield _gauge("radir_reports_outdated", "Reports read by an earlier parser", [((), reports.outdated)])


def _gauge(name: str, text: str, values: Labelled, *labels: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for names, value in values:
        family.add_metric(names, value)
    return family
