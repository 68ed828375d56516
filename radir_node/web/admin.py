"""The administrator's page of index health; its script asks for it again every few seconds."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from radir_node.web.access import Admin
from radir_node.web.pages import page
from radir_node.web.site import SiteOf
from radir_node.web.tiles import tiles

router = APIRouter()


@router.get("/admin")
def index_health(request: Request, site: SiteOf, visitor: Admin) -> Response:
    health = site.use_cases.health()
    return page(request, "admin.html", health=health, tiles=tiles(health))
