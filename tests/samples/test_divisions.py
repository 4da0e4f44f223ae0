"""The real list: counts of known counties, names in addresses, plausible urban-rural classes."""

import pytest

from samples.divisions import Unit, find_counties, short_name, urban_rural_code


def test_jiawang_has_its_towns_and_units():
    (county,) = find_counties("320305")
    assert (county.title, county.prefecture, len(county.towns), len(county.units)) == ("贾汪区", "徐州市", 13, 134)
    village = next(unit for unit in county.units if unit.code == "320305005204")
    assert (village.short, village.urban, county.towns[village.town][1]) == ("马庄村", False, "潘安湖街道")


@pytest.mark.parametrize(("code", "count"), [("320300", 11), ("3203", 11), ("320000000000", 104), ("320576", 1)])
def test_a_larger_code_means_all_its_counties(code, count):
    assert len(find_counties(code)) == count


@pytest.mark.parametrize("code", ["110101", "abc", "", "320305001001", "32030", "000000"])
def test_other_codes_are_refused(code):
    with pytest.raises(ValueError, match="no county for code"):
        find_counties(code)


@pytest.mark.parametrize(
    ("title", "short"),
    [
        ("马庄村委会", "马庄村"),
        ("马庄村民委员会", "马庄村"),
        ("夏桥社区居委会", "夏桥社区"),
        ("援工社区居民委员会", "援工社区"),
        ("前进居委会", "前进社区"),
        ("百子亭社区", "百子亭社区"),
        ("鹿庄粮棉原种场村委会虚拟生活区", "鹿庄粮棉原种场村"),
    ],
)
def test_names_in_addresses(title, short):
    assert short_name(title) == short


@pytest.mark.parametrize(
    ("unit", "town", "chance", "code"),
    [
        ("320305001001", "320305001000", 0.1, "111"),
        ("320305001001", "320305001000", 0.9, "112"),
        ("320305102001", "320305102000", 0.1, "121"),
        ("320305005204", "320305005000", 0.5, "220"),
        ("320305005204", "320305005000", 0.1, "112"),
        ("320305102201", "320305102000", 0.1, "122"),
        ("320305401598", "320305401000", 0.5, "123"),
    ],
)
def test_urban_rural_classes_follow_the_kinds_of_unit_and_town(unit, town, chance, code):
    assert urban_rural_code(Unit(unit, "", 0, "", urban=False), town, chance) == code
