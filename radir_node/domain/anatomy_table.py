"""The anatomy vocabulary as data: sites, their SNOMED CT codes, sides, parents and English names.

Read through radir_node.domain.anatomy. Codes and meanings are members of at least one context group of PS3.16 (2025);
a site that DICOM does not code carries none and is written in the private scheme 99RADIR.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

SidePolicy = Literal["sided", "midline", "right", "left"]
"""sided: takes left, right or bilateral; midline: takes none; right, left: exists on that side only."""


@dataclass(frozen=True, slots=True)
class Anatomy:
    """One site of the vocabulary."""

    id: str
    sct_code: str | None
    meaning: str
    """Code meaning to write beside the code."""
    side: SidePolicy
    parent: str | None
    """Id of the site that contains it; None for the root."""
    names: tuple[str, ...]
    """Readable singular name first, then synonyms that free text may use."""
    sided_codes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Side -> (code, meaning) where DICOM has one code for site and side together."""


def _site(
    site: str,
    code: str | None,
    meaning: str,
    side: SidePolicy,
    parent: str | None,
    *names: str,
    right: tuple[str, str] | None = None,
    left: tuple[str, str] | None = None,
) -> Anatomy:
    sided = {name: pair for name, pair in (("right", right), ("left", left)) if pair is not None}
    return Anatomy(site, code, meaning, side, parent, names, sided)


# fmt: off
# One site per entry reads as the table it is; the formatter would give each name a line of its own.
_LUNG = (
    _site("thorax", "816094009", "Chest", "midline", None, "thorax", "chest", "thoracic structures"),
    _site("lung", "39607008", "Lung", "sided", "thorax",
          "lung", "lung parenchyma", "lung field", "airspace", "alveolar", "parenchyma", "hemithorax"),
    _site("upper_lobe", "45653009", "Upper lobe of lung", "sided", "lung",
          "upper lobe", "lung upper lobe", "upper lobe lung"),
    _site("middle_lobe", "72481006", "Middle lobe of right lung", "right", "lung",
          "right middle lobe", "middle lobe", "lung middle lobe", "middle lobe lung"),
    _site("lingula", None, "Lingula of left lung", "left", "upper_lobe",
          "lingula", "lingula lung", "lingula upper lobe", "lingular segment"),
    _site("lower_lobe", "90572001", "Lower lobe of lung", "sided", "lung",
          "lower lobe", "lung lower lobe", "lower lobe lung"),
    _site("lung_apex", "86598002", "Apex of Lung", "sided", "upper_lobe",
          "lung apex", "apex", "apex lung", "apices", "lung apices", "apical zone"),
    _site("upper_zone", "281392002", "Upper zone of lung", "sided", "lung",
          "upper lung zone", "upper zone", "upper zone lung", "upper lung", "upper lung field"),
    _site("mid_zone", "281393007", "Middle zone of lung", "sided", "lung",
          "mid lung zone", "mid zone", "middle zone", "middle lung zone", "middle zone lung", "mid lung",
          "mid lung field"),
    _site("lower_zone_base", "281394001", "Lower zone of lung", "sided", "lung",
          "lung base", "base", "base lung", "lower lung zone", "lower zone", "lower zone lung", "lower lung",
          "lower lung field"),
    _site("hilum", "46750007", "Hilum of lung", "sided", "lung",
          "hilum", "hila", "hilar", "hilar structures", "hilar region", "hilum lung", "perihilar region"),
    _site("interstitium", "85293002", "Interstitial tissue", "midline", "lung",
          "interstitium", "interstitial tissue", "lung interstitium"),
    _site("fissure", "278983006", "Fissure of lung", "sided", "lung",
          "lung fissure", "fissure", "fissure lung", "major fissure", "minor fissure", "oblique fissure"),
    _site("lung_segment", "72674008", "Segment of lung", "sided", "lung",
          "lung segment", "segment lung", "bronchopulmonary segment"),
    _site("airway", "89187006", "Airway structure", "midline", "thorax",
          "airway", "airway structures", "tracheobronchial tree", "central airways"),
    _site("trachea", "44567001", "Trachea", "midline", "airway", "trachea", "windpipe", "tracheal air column"),
    _site("carina", "28700002", "Carina", "midline", "trachea", "carina", "tracheal bifurcation"),
    _site("main_bronchus", None, "Main bronchus", "sided", "airway",
          "main bronchus", "mainstem bronchus", "main stem bronchus", "main bronchi",
          right=("70074004", "Right main bronchus"), left=("75245000", "Left main bronchus")),
    _site("bronchus", "955009", "Bronchus", "sided", "airway",
          "bronchus", "bronchi", "bronchie", "bronchial tree", "bronchioles"),
)

_PLEURA_MEDIASTINUM = (
    _site("pleura", "3120008", "Pleura", "sided", "thorax", "pleura", "pleural space", "pleural cavity"),
    _site("costophrenic_angle", None, "Costophrenic angle", "sided", "pleura",
          "costophrenic angle", "cp angle", "costophrenic sulcus", "costo phrenic angle", "costophrenic recess"),
    _site("diaphragm", "5798000", "Diaphragm", "sided", "thorax",
          "diaphragm", "hemidiaphragm", "hemi diaphragm", "subdiaphragmatic structures"),
    _site("mediastinum", "72410000", "Mediastinum", "midline", "thorax",
          "mediastinum", "mediastinal silhouette", "mediastinal contour", "upper mediastinum", "superior mediastinum"),
    _site("mediastinal_node", "62683002", "mediastinal lymph node", "midline", "mediastinum",
          "mediastinal lymph node", "mediastinal node"),
    _site("hilar_node", "53074004", "hilar lymph node", "sided", "hilum", "hilar lymph node", "hilar node"),
    _site("paratracheal_node", "65690001", "paratracheal lymph node", "sided", "mediastinal_node",
          "paratracheal lymph node", "paratracheal node"),
    _site("subcarinal_node", "28330007", "subcarinal lymph node", "midline", "mediastinal_node",
          "subcarinal lymph node", "subcarinal node"),
    _site("axillary_node", "68171009", "Axillary lymph node", "sided", "axilla",
          "axillary lymph node", "axillary node"),
    _site("thymus", "9875009", "Thymus", "midline", "mediastinum", "thymus"),
    _site("esophagus", "32849002", "Esophagus", "midline", "mediastinum",
          "esophagus", "oesophagus", "cervical esophagus"),
    _site("esophageal_hiatus", "280062008", "Esophageal Hiatus", "midline", "diaphragm",
          "esophageal hiatus", "oesophageal hiatus", "gastroesophageal junction"),
    _site("thyroid", "69748006", "Thyroid", "sided", "neck", "thyroid", "thyroid gland"),
)

_HEART_VESSELS = (
    _site("heart", "80891009", "Heart", "midline", "mediastinum",
          "heart", "cardiac silhouette", "heart silhouette", "cardiac shadow", "cardiomediastinal silhouette",
          "heart size", "cardiac size", "cardiac", "cardiovascular structures"),
    _site("atrium", "59652004", "Atrium", "sided", "heart", "atrium", "atria", "heart atrium", "left auricle",
          right=("73829009", "Right atrium"), left=("82471001", "Left atrium")),
    _site("ventricle", "21814001", "Ventricle", "sided", "heart", "ventricle", "heart ventricle",
          right=("53085002", "Right ventricle"), left=("87878005", "Left ventricle")),
    _site("pericardium", "76848001", "Pericardium", "midline", "heart", "pericardium", "pericardial space"),
    _site("coronary_artery", "41801008", "Coronary artery", "midline", "heart",
          "coronary artery", "coronary arteries", "coronaries"),
    _site("heart_valve", None, "Heart valve", "midline", "heart",
          "heart valve", "cardiac valve", "tricuspid valve", "pulmonary valve"),
    _site("aortic_valve", "34202007", "Aortic Valve", "midline", "heart_valve", "aortic valve"),
    _site("mitral_valve", "91134007", "Mitral Valve", "midline", "heart_valve", "mitral valve", "mitral annulus"),
    _site("aorta", "15825003", "Aorta", "midline", "mediastinum", "aorta", "thoracic aorta"),
    _site("ascending_aorta", "54247002", "Ascending aorta", "midline", "aorta",
          "ascending aorta", "heart ascending aorta", "aortic root"),
    _site("aortic_arch", "57034009", "Aortic arch", "midline", "aorta",
          "aortic arch", "aortic knob", "aortic knuckle", "arch aorta"),
    _site("descending_aorta", "281130003", "Descending aorta", "midline", "aorta",
          "descending aorta", "descending thoracic aorta"),
    _site("pulmonary_artery", "81040000", "Pulmonary artery", "sided", "mediastinum",
          "pulmonary artery", "pulmonary arteries", "pulmonary trunk", "pulmonary vasculature", "pulmonary vessel",
          right=("78480002", "Right pulmonary artery"), left=("50408007", "Left pulmonary artery")),
    _site("pulmonary_vein", "122972007", "Pulmonary vein", "sided", "mediastinum", "pulmonary vein"),
    _site("svc", "48345005", "Superior vena cava", "midline", "mediastinum",
          "superior vena cava", "svc", "cavoatrial junction"),
    _site("azygos_vein", "72107004", "Azygos vein", "midline", "mediastinum", "azygos vein", "azygos", "azygous vein"),
)

_WALL_BONES = (
    _site("chest_wall", "78904004", "Chest wall", "sided", "thorax", "chest wall", "thoracic wall"),
    _site("axilla", "91470000", "Axilla", "sided", "chest_wall", "axilla", "axillae", "axillary region"),
    _site("breast", "76752008", "Breast", "sided", "chest_wall", "breast", "breast tissue", "nipple"),
    _site("neck", "45048000", "Neck", "sided", "thorax",
          "neck", "cervical structures", "throat", "jugular vein", "head and neck structures"),
    _site("supraclavicular", "77621008", "Supraclavicular region of neck", "sided", "neck",
          "supraclavicular region", "supraclavicular", "supraclavicular fossa"),
    _site("bone", "3138006", "Bone", "midline", "thorax",
          "bone", "bones", "osseous structures", "bony structures", "bony thorax", "skeleton",
          "musculoskeletal structures"),
    _site("rib", "113197003", "Rib", "sided", "bone", "rib", "rib cage", "ribcage"),
    _site("clavicle", "51299004", "Clavicle", "sided", "bone", "clavicle", "collar bone", "collarbone"),
    _site("scapula", "79601000", "Scapula", "sided", "bone", "scapula", "scapulae", "shoulder blade"),
    _site("shoulder", "16982005", "Shoulder", "sided", "bone", "shoulder", "shoulder joint", "glenohumeral joint"),
    _site("humerus", "85050009", "Humerus", "sided", "shoulder", "humerus", "humeral head"),
    _site("sternum", "56873002", "Sternum", "midline", "bone", "sternum", "manubrium"),
    _site("thoracic_spine", "122495006", "Thoracic spine", "midline", "bone",
          "thoracic spine", "spine", "t spine", "vertebrae", "vertebra", "vertebral body", "thoracic vertebrae",
          "thoracic vertebra", "spinal structures", "spinal canal", "vertebral column", "thoracolumbar spine",
          "dorsal spine"),
    _site("soft_tissue", "87784001", "Soft tissue", "sided", "chest_wall",
          "soft tissue", "soft tissues", "subcutaneous tissue"),
)

_ABDOMEN = (
    _site("upper_abdomen", "80581009", "Upper abdomen", "midline", "thorax",
          "upper abdomen", "abdomen", "abdominal structures", "upper quadrant", "upper abdominal organs",
          "lower abdomen", "intraperitoneal"),
    _site("liver", "10200004", "Liver", "midline", "upper_abdomen", "liver"),
    _site("spleen", "78961009", "Spleen", "midline", "upper_abdomen", "spleen"),
    _site("stomach", "69695003", "Stomach", "midline", "upper_abdomen", "stomach", "gastric bubble"),
    _site("adrenal_gland", "23451007", "Adrenal gland", "sided", "upper_abdomen", "adrenal gland", "adrenal"),
    _site("kidney", "64033007", "Kidney", "sided", "upper_abdomen", "kidney", "renal"),
    _site("gallbladder", "28231008", "Gallbladder", "midline", "upper_abdomen", "gallbladder", "gall bladder"),
    _site("pancreas", "15776009", "Pancreas", "midline", "upper_abdomen", "pancreas"),
)

# fmt: on
SITES: Mapping[str, Anatomy] = {
    site.id: site for site in (*_LUNG, *_PLEURA_MEDIASTINUM, *_HEART_VESSELS, *_WALL_BONES, *_ABDOMEN)
}

ABBREVIATIONS: Mapping[str, tuple[str, str]] = {
    "rul": ("upper_lobe", "right"),
    "rml": ("middle_lobe", "right"),
    "rll": ("lower_lobe", "right"),
    "lul": ("upper_lobe", "left"),
    "lll": ("lower_lobe", "left"),
    "ruq": ("upper_abdomen", ""),
    "luq": ("upper_abdomen", ""),
    "ra": ("atrium", "right"),
    "la": ("atrium", "left"),
    "rv": ("ventricle", "right"),
    "lv": ("ventricle", "left"),
}

EQUIVALENTS: Mapping[str, tuple[str, ...]] = {
    "upper_lobe": ("upper_zone", "lung_apex"),
    "upper_zone": ("upper_lobe", "lung_apex"),
    "lung_apex": ("upper_zone", "upper_lobe"),
    "middle_lobe:right": ("mid_zone:right",),
    "mid_zone:right": ("middle_lobe:right",),
    "lingula:left": ("mid_zone:left",),
    "mid_zone:left": ("lingula:left",),
    "lower_lobe": ("lower_zone_base",),
    "lower_zone_base": ("lower_lobe",),
    "costophrenic_angle": ("pleura",),
    "hilum": ("hilar_node",),
    "fissure": ("pleura",),
    "trachea": ("carina",),
    "airway": ("trachea", "bronchus", "main_bronchus"),
    "bronchus": ("main_bronchus",),
    "main_bronchus": ("bronchus",),
    "bone": ("thoracic_spine", "rib"),
    "liver": ("upper_abdomen",),
    "thoracic_spine": ("bone",),
}
"""Site, or site and side -> what images or readers use for nearly the same region, best first."""
