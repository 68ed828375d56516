"""Deterministic densitometric encoder of chest CT: resample, segment, measure, project.

No open archive of chest CT with reports exists to learn from, so nothing here is learnt. A volume is brought to one
working grid (`grid`), its thoracic regions are found by classical means (`lungs`, `airway`, `mediastinum`, joined in
`segmentation`), each region is described by named measures with physical units (`features`), and the ONNX graph
`ct_densitometry` (constants in `reference`) turns the measures into unit vectors. `encoder` is the way in.
"""
