"""Which Structured Report reached which peer, so that a repeated push job sends nothing twice."""

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from radir_node.catalog.database import Database
from radir_node.catalog.tables import delivery


@dataclass(frozen=True)
class Deliveries:
    database: Database

    def done(self, sop_instance_uid: str, peer: str) -> bool:
        found = sa.exists().where(delivery.c.sop_instance_uid == sop_instance_uid, delivery.c.peer == peer)
        with self.database.begin() as connection:
            return bool(connection.execute(sa.select(found)).scalar_one())

    def record(self, study_id: int, sop_instance_uid: str, peer: str) -> None:
        values = {"study_id": study_id, "sop_instance_uid": sop_instance_uid, "peer": peer}
        with self.database.begin() as connection:
            connection.execute(insert(delivery).values(values).on_conflict_do_nothing())
