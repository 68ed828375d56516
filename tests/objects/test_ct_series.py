"""The CT series that stands for a study is chosen by rule, and the same again each time."""

from collections.abc import Callable

import pytest
from pydicom.dataset import Dataset

from dicom_services.objects.ct_series import Kernel, kernel_of
from dicom_services.objects.study import prepare_study
from radir_node.domain.study import InstanceHeader

Write = Callable[..., list[tuple[object, InstanceHeader]]]


def described(**attributes: object) -> Callable[[Dataset, int], None]:
    def change(dataset: Dataset, index: int) -> None:
        for keyword, value in attributes.items():
            setattr(dataset, keyword, value)

    return change


def winner(stored: list[tuple[object, InstanceHeader]]) -> str:
    prepared = prepare_study(stored)  # type: ignore[arg-type]  # the fixture's paths are Paths
    return prepared.volumes[0].series_instance_uid.rsplit(".", 1)[-1]


THIN = tuple(float(table) for table in range(-120, 121, 5))
THICK = tuple(range(-120, 121, 10))


def test_thin_before_thick(ct_slices: Write, plan: Callable[..., object]) -> None:
    """Thin slices win over thick ones, and every slice of the other series has its reason."""
    thick, thin = ct_slices(plan(tables=THICK), series="1"), ct_slices(plan(tables=THIN), series="2")

    prepared = prepare_study([*thick, *thin])

    assert "2" == winner([*thick, *thin])
    assert {header.sop_instance_uid: "another series of the study is searched" for _, header in thick} == dict(
        prepared.not_indexable
    )


def test_coverage_before_thinness(ct_slices: Write, plan: Callable[..., object]) -> None:
    """A thin series of a part of the lung does not win over the whole lung."""
    part = ct_slices(plan(tables=tuple(table for table in THIN if table < 0)), series="1")
    whole = ct_slices(plan(tables=THICK), series="2")

    assert "2" == winner([*part, *whole])


def test_original_before_reformatted(ct_slices: Write, plan: Callable[..., object]) -> None:
    """Acquired slices win over thin reformatted ones."""
    reformatted = described(ImageType=["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"])
    made, acquired = ct_slices(plan(tables=THIN), change=reformatted, series="1"), ct_slices(series="2")

    assert "2" == winner([*made, *acquired])


def test_soft_before_sharp(ct_slices: Write) -> None:
    """Of two series of one slice distance the one with the soft kernel wins."""
    lung = ct_slices(change=described(ConvolutionKernel="B70f"), series="1")
    soft = ct_slices(change=described(ConvolutionKernel="B31f"), series="2")

    assert "2" == winner([*lung, *soft])


def test_localizer_beside_series(ct_slices: Write, plan: Callable[..., object]) -> None:
    """Localizers of the same study have their reason beside the series that is searched."""
    scout = described(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    localizers = ct_slices(plan(tables=(0, 10)), change=scout, series="1")

    prepared = prepare_study([*localizers, *ct_slices(series="2")])

    assert {header.sop_instance_uid: "localizer" for _, header in localizers} == dict(prepared.not_indexable)


def test_next_best_when_the_best_is_broken(ct_slices: Write, plan: Callable[..., object]) -> None:
    """Where the best series cannot be decoded the next one is searched."""
    broken = ct_slices(plan(tables=THIN), change=described(PixelData=b"\0\0"), series="1")

    assert "2" == winner([*broken, *ct_slices(series="2")])


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("B31f", Kernel.SOFT),
        ("D40s", Kernel.SOFT),
        ("Br36d\\3", Kernel.SOFT),
        ("FC13", Kernel.SOFT),
        ("STANDARD", Kernel.SOFT),
        ("B", Kernel.SOFT),
        ("B70f", Kernel.SHARP),
        ("Bl57f", Kernel.SHARP),
        ("FC52", Kernel.SHARP),
        ("LUNG", Kernel.SHARP),
        ("BONEPLUS", Kernel.SHARP),
        ("YC", Kernel.SHARP),
        ("", Kernel.UNKNOWN),
        ("?", Kernel.UNKNOWN),
    ],
)
def test_kernels(name: str, kernel: Kernel) -> None:
    """Kernels of the common vendors are classed."""
    assert kernel == kernel_of(name)
