"""The worker process: what each job does, and the periodic care of queue and index."""

import procrastinate
import structlog

from dicom_services.privacy import silence_libraries
from radir_node.catalog import jobs
from radir_node.errors import RadirError, TransientError
from radir_node.index.care import sweep
from radir_node.ingest.index_study import Indexer
from radir_node.ingest.link_reports import ReportReader
from radir_node.node.commitment import report_commitments, request_commitments
from radir_node.node.delivery import deliver
from radir_node.node.encoders import radiograph_encoder, volume_encoder
from radir_node.node.node import Node
from radir_node.node.pacs_count import pacs_count
from radir_node.node.reader import DicomReader
from radir_node.node.similar_series import SimilarSeries
from radir_node.reports.parser import PARSER_VERSION

log = structlog.get_logger()

RETRY = procrastinate.RetryStrategy(wait=10, retry_exceptions={TransientError})
"""What a job meets in the node itself (database, disk, encoders) is tried again for as long as it lasts."""

HEARTBEAT_SECONDS = 2.0
STALLED_SECONDS = 10.0
DEADLY_ATTEMPTS = 25
"""A study that was in hand this often when the worker died is given up, so that it cannot kill workers for ever."""


def run_worker(node: Node) -> None:
    """Work on jobs until SIGTERM; the job in hand is finished first."""
    silence_libraries()
    # An app of its own: node.job_app defers synchronously, this one is opened for asyncio.
    app = jobs.job_app(node.database.url)
    with radiograph_encoder(node) as radiographs, volume_encoder(node) as volumes:
        reader = DicomReader(node.preview_folder)
        register(app, node, Indexer(node.studies, node.report_linking, reader, radiographs, volumes, node.root))
        app.run_worker(
            concurrency=2,
            fetch_job_polling_interval=1.0,
            update_heartbeat_interval=HEARTBEAT_SECONDS,
            stalled_worker_timeout=STALLED_SECONDS,
            shutdown_graceful_timeout=30.0,
            delete_jobs="successful",
        )


def register(app: procrastinate.App, node: Node, indexer: Indexer) -> None:
    """Give every task name of the queue its meaning."""

    pacs = pacs_count(node.settings.dicom)

    @app.task(name=jobs.SETTLE, retry=RETRY)
    def settle_study(study: int) -> None:
        node.completion.settle(study, pacs)

    @app.task(name=jobs.INDEX, retry=RETRY)
    def index_study(study: int) -> None:
        indexer.index(study)

    @app.task(name=jobs.PUSH, retry=RETRY)
    def push_similar_cases(study: int) -> None:
        SimilarSeries.of(node).push(study)

    @app.task(name=jobs.DELIVER, retry=RETRY)
    def deliver_objects(peer: str) -> None:
        deliver(node, peer)
        request_commitments(node, peer)

    @app.task(name=jobs.REPORT, retry=RETRY)
    def report_owed(peer: str) -> None:
        report_commitments(node, peer)

    report_reader = ReportReader(node.report_linking)

    @app.task(name=jobs.LINK, retry=RETRY)
    def link_reports() -> None:
        report_reader.link(jobs.LINK)

    @app.task(name=jobs.REPARSE, retry=RETRY)
    def reparse_reports() -> None:
        report_reader.reparse(jobs.REPARSE)

    @app.periodic(cron="* * * * * */5")
    @app.task(name="recover_stalled", queueing_lock="recover_stalled", priority=jobs.CARE_PRIORITY)
    async def recover_stalled(timestamp: int) -> None:
        await recover(app, node)

    @app.periodic(cron="* * * * * */15")
    @app.task(name="care_for_index", queueing_lock="care_for_index", priority=jobs.CARE_PRIORITY)
    def care_for_index(timestamp: int) -> None:
        care(node)


async def recover(app: procrastinate.App, node: Node) -> None:
    """Put jobs of killed workers back; one that cannot be must not stop the others (procrastinate issue 1543)."""
    for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
        try:
            if job.task_name != jobs.INDEX or job.attempts < DEADLY_ATTEMPTS:
                await app.job_manager.retry_job(job)
            else:
                await app.job_manager.finish_job(job, procrastinate.jobs.Status.FAILED, delete_job=False)
                node.studies.fail(
                    int(str(job.task_kwargs["study"])), f"the worker died {job.attempts} times while indexing"
                )
            log.info("job_recovered", task=job.task_name, attempts=job.attempts)
        except procrastinate.exceptions.ProcrastinateException as error:
            log.error("job_not_recovered", task=job.task_name, error=type(error).__name__)


def care(node: Node) -> None:
    """Adopt what waits without a job, write a new index snapshot when enough has changed, remove what nobody needs."""
    studies, peers, callers = node.studies.adopt(), node.deliveries.adopt(), node.commitments.adopt()
    pending, waiting = node.report_linking.adopt(), node.report_inbox.adopt()
    if studies or peers or callers or pending or waiting:
        log.warning("adopted", studies=studies, peers=peers, callers=callers, reports=pending, link_job=waiting)
    node.report_linking.adopt_outdated(PARSER_VERSION)
    node.completion.forget_old()
    node.procedure_steps.forget_old()
    node.commitments.forget_old()
    state = node.index.sync()
    # Without a snapshot, rows read at the start count too: they are sealed in memory and on no disk.
    unsaved = (int(p.growing.alive.sum()) if state.snapshot else p.rows for p in state.partitions.values())
    if sum(unsaved) < node.settings.index.snapshot_after:
        return
    try:
        written = node.index.rebuild()
    except RadirError as error:
        log.error("index_snapshot_failed", reason=str(error))
        return
    sweep(node.index_folder, {written.id, state.snapshot})
    log.info("index_snapshot_written", rows=written.rows)
