"""What the generated reports say: templates per finding and per modality, and the negations of what is not there.

Called by radir_node.phantoms.report. {size} is small, moderate or large; {side} a side; {where} a part of the
lung with its article; {mm} a diameter.
"""

from radir_node.domain.phantom import FindingKind

PRESENT: dict[FindingKind, tuple[str, ...]] = {
    FindingKind.EFFUSION: (
        "There is a {size} {side} pleural effusion.",
        "{Size} {side} pleural effusion.",
        "{Size} pleural effusion on the {side}.",
    ),
    FindingKind.CONSOLIDATION: (
        "There is consolidation in {where}.",
        "Airspace consolidation in {where}.",
        "{Size} area of consolidation is seen in {where}.",
    ),
    FindingKind.GROUND_GLASS: (
        "Hazy ground-glass opacity in {where}.",
        "There is {extent} ground-glass opacity in {where}.",
    ),
    FindingKind.NODULE: (
        "There is a {mm} mm nodule in {where}.",
        "A well-defined pulmonary nodule in {where} measures {mm} mm.",
        "Rounded {mm} mm nodular opacity in {where}.",
    ),
    FindingKind.CARDIOMEGALY: (
        "The heart is {grade_adverb} enlarged.",
        "There is {grade} cardiomegaly.",
        "The cardiac silhouette is {grade_adverb} enlarged.",
    ),
    FindingKind.PNEUMOTHORAX: (
        "There is a {size} {side} pneumothorax.",
        "{Size} {side} pneumothorax with a visible visceral pleural line.",
    ),
    FindingKind.EMPHYSEMA: (
        "There is {grade} emphysema, predominantly in {where}.",
        "{Grade} emphysematous change in {where}.",
    ),
    FindingKind.PACEMAKER: (
        "{Side}-sided dual-lead pacemaker, leads projecting over the right atrium and right ventricle.",
        "A {side}-sided cardiac pacemaker is in place with two intact leads.",
    ),
    FindingKind.CENTRAL_LINE: (
        "Right internal jugular central venous line with its tip in the superior vena cava.",
        "The tip of the right central venous catheter projects over the lower superior vena cava.",
    ),
    FindingKind.TRACHEAL_TUBE: (
        "Endotracheal tube with its tip 4 cm above the carina.",
        "The endotracheal tube tip lies in the mid trachea, 4 cm above the carina.",
    ),
}

BOTH_EFFUSIONS = (
    "There are {size} bilateral pleural effusions.",
    "{Size} bilateral pleural effusions.",
)

SUMMARY: dict[FindingKind, str] = {
    FindingKind.EFFUSION: "{Size} {side} pleural effusion.",
    FindingKind.CONSOLIDATION: "Consolidation in {where}, suspicious for pneumonia.",
    FindingKind.GROUND_GLASS: "Ground-glass opacity in {where}.",
    FindingKind.NODULE: "{mm} mm nodule in {where}. Follow-up CT is recommended.",
    FindingKind.CARDIOMEGALY: "{Grade} cardiomegaly.",
    FindingKind.PNEUMOTHORAX: "{Size} {side} pneumothorax.",
    FindingKind.EMPHYSEMA: "{Grade} emphysema.",
    FindingKind.PACEMAKER: "Pacemaker in place.",
    FindingKind.CENTRAL_LINE: "Central venous line in satisfactory position.",
    FindingKind.TRACHEAL_TUBE: "Endotracheal tube in satisfactory position.",
}

INDICATION: dict[FindingKind, tuple[str, ...]] = {
    FindingKind.EFFUSION: ("Shortness of breath.", "Dyspnea and reduced breath sounds."),
    FindingKind.CONSOLIDATION: ("Cough and fever.", "Productive cough."),
    FindingKind.GROUND_GLASS: ("Cough and fever.", "Dyspnea, raised inflammatory markers."),
    FindingKind.NODULE: ("Smoker with weight loss.", "Preoperative evaluation."),
    FindingKind.CARDIOMEGALY: ("Exertional dyspnea.", "Leg swelling."),
    FindingKind.PNEUMOTHORAX: ("Sudden chest pain.", "Chest pain after a fall."),
    FindingKind.EMPHYSEMA: ("Chronic dyspnea, long-term smoker.", "COPD."),
    FindingKind.PACEMAKER: ("Follow-up after pacemaker implantation.",),
    FindingKind.CENTRAL_LINE: ("Line placement.",),
    FindingKind.TRACHEAL_TUBE: ("Intubated patient in intensive care, check of tube position.",),
}
NO_INDICATION = ("Chest pain.", "Preoperative evaluation.", "Screening.", "Cough.")

NO_PLEURA = (
    "No pleural effusion or pneumothorax.",
    "There is no pleural effusion. No pneumothorax.",
    "No evidence of pleural effusion or pneumothorax.",
)
NO_EFFUSION = ("No pleural effusion.", "There is no pleural effusion.")
NO_PNEUMOTHORAX = ("No pneumothorax.", "There is no pneumothorax.")
CLEAR_LUNGS = (
    "The lungs are clear.",
    "The lungs are clear without focal consolidation.",
    "No focal consolidation, nodule or mass.",
)
CLEAR_ELSEWHERE = ("The lungs are otherwise clear.", "No other focal airspace disease.")
NORMAL_HEART = (
    "The heart size is normal.",
    "Heart size and mediastinal contours are within normal limits.",
    "Cardiomediastinal silhouette is unremarkable.",
)
CXR_BONES = ("No acute bony abnormality.", "The osseous structures are intact.", "No acute fracture.")
CT_MEDIASTINUM = (
    "No enlarged mediastinal or hilar lymph nodes.",
    "No mediastinal lymphadenopathy. The thoracic aorta is of normal calibre.",
)
CT_AIRWAYS = ("The central airways are patent.", "Trachea and main bronchi are patent.")
CT_ABDOMEN = (
    "Limited views of the upper abdomen are unremarkable.",
    "No focal abnormality in the imaged upper abdomen.",
)
CT_BONES = ("No suspicious bone lesion.", "No aggressive osseous lesion.")
NORMAL_IMPRESSION = (
    "No acute cardiopulmonary abnormality.",
    "Normal chest.",
    "No acute disease.",
)
