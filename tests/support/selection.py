"""What each test needs, decided here by rules, so that no new test can be forgotten.

A test that is marked ``database`` is run once more in PostgreSQL by `make test`: every test that uses the database,
except in the rooms of ``NOT_ABOUT_THE_DATABASE``. A new room is in by itself.
"""

from __future__ import annotations

from typing import Any

import pytest

NOT_ABOUT_THE_DATABASE = (
    # What the vendor's host answers, and what its client makes of that.
    "tests/engines/",
    # Picture files.
    "tests/imaging/",
    # Where the pictures lie.
    "tests/storage/",
    # What a result is compared by, and what a provider's tokens say.
    "tests/fidelity/",
    # Who may do what, and what a page says: by the same queries as in the rooms below.
    "tests/views/",
    "tests/accounts/",
    "tests/sharing/",
    "tests/test_request_limits.py",
    "tests/api/",
    "tests/admin/",
    "tests/channels/",
    "tests/evidence/",
    "tests/fetching/",
    "tests/health/",
    # Where pictures are taken from, and what people may say of it.
    "tests/watching/test_attacks.py",
    "tests/watching/test_bucket.py",
)
"""Rooms that only keep their rows somewhere. Their tests of races and transactions count all the same."""


NIGHTLY = (
    # Three machines that are cut off again and again: two minutes on two busy cores.
    "tests/chaos/test_chaos.py::test_nothing_is_done_twice_by_hosts",
    # Pauses that grow while a bucket is away: as long.
    "tests/chaos/test_chaos.py::test_nothing_is_lost_with_a_bucket",
    # The restoring network over whole pictures, several times each: minutes. Where it goes is tried quickly beside.
    "tests/engines/local/test_strength_map.py::test_background_rebuilds",
    "tests/engines/local/test_strength_map.py::test_auto_rebuilds",
    "tests/engines/local/test_strength_map.py::test_the_subject_is_said",
    "tests/engines/local/test_strength_map.py::test_what_shows_of_a_cut_out",
    "tests/engines/local/test_strength_map.py::test_without_a_clear_subject",
    "tests/engines/local/test_strength_map.py::test_without_a_face_the_restoring_network_does_not_run",
    "tests/engines/local/test_strength_map.py::test_a_face_is_rebuilt_the_more_the_more_creative",
    "tests/engines/local/test_strength_map.py::test_foreground_rebuilds_the_subject",
    "tests/engines/local/test_dat.py::test_nothing_that_is_summed_over_a_large_tile",
    "tests/engines/local/test_networks.py::test_x4plus_fades_from_tile_to_tile",
    "tests/engines/local/test_dat.py::test_tiles_see_the_same_picture",
    "tests/engines/local/test_results.py::test_every_factor_is_exact_to_the_pixel[size3",
    "tests/engines/local/test_results.py::test_the_restoring_network_is_exact_to_the_pixel_too",
    "tests/engines/local/test_results.py::test_shrunk_the_way_it_was_made",
    "tests/engines/local/test_results.py::test_rebuilt_detail_keeps_the_colours[L",
    "tests/engines/local/test_results.py::test_either_precision_is_true_to_the_source[f32]",
    # Twenty lives go through all that can go wrong; fifty take half a minute in either database.
    "tests/credits/test_ledger_model.py::test_random_lives_leave_no_difference[50",
    # A thousand pictures, each looked at.
    "tests/watching/test_folder.py::test_a_thousand_files",
    "tests/engines/local/test_preparing.py::test_a_look_finds_what_the_job_does_and_spares_it_the_look[white",
    "tests/engines/local/test_preparing.py::test_a_look_finds_what_the_job_does_and_spares_it_the_look[jpeg",
    "tests/engines/local/test_preparing.py::test_a_look_finds_what_the_job_does_and_spares_it_the_look[worn",
    # A hundred megapixels.
    "tests/browser/test_comparison.py::test_a_hundred_megapixels",
    "tests/engines/local/test_child.py::test_a_large_result_stays_under_a_gigabyte",
    # The same once more on a phone, or in the other scheme.
    "tests/browser/test_intake.py::test_a_monday_of_sixty_pictures[chromium-phone",
    "tests/browser/test_one_upscale.py::test_before_stays_left_and_after_right_of_every_shape[chromium-phone",
    "tests/browser/test_history.py::test_find_tick_and_delete[chromium-phone",
    "tests/browser/test_sharing.py::test_a_link_is_made_used_and_revoked[chromium-phone",
    "tests/browser/test_main_path.py::test_pages_are_accessible_and_fit[chromium-phone-light",
    "tests/browser/test_main_path.py::test_pages_are_accessible_and_fit[chromium-desktop-dark",
    "tests/browser/test_main_path.py::test_the_api_s_docs_are_a_page_of_the_desk[chromium-phone-light",
    "tests/browser/test_main_path.py::test_the_api_s_docs_are_a_page_of_the_desk[chromium-desktop-dark",
    "tests/browser/test_second_factor.py::test_the_second_factor_from_setting_up_to_turning_off[chromium-dark",
    "tests/browser/test_second_factor.py::test_the_second_factor_from_setting_up_to_turning_off[chromium-wide",
    # A desk of their own beside what is tried without one.
    "tests/clients/test_client.py",
    "tests/clients/test_command_line.py",
    "tests/clients/test_faults.py",
    "tests/clients/test_readme.py",
    # tests/accounts/test_oidc.py tries the same provider without a browser.
    "tests/browser/test_company_account.py",
    "tests/live_server/test_two_desks.py::test_topaz_with_each_setting_changed",
    "tests/live_server/test_two_desks.py::test_the_vendor_goes_and_comes_back",
    "tests/live_server/test_two_desks.py::test_every_source_with_both_models",
    # Packages of npm.
    "tests/webhooks/test_libraries.py",
    # Made-up requests; tests/api/test_schema.py makes them up without a server.
    "tests/live_server/test_schema.py",
)
"""What takes longest and is the least likely to break alone: `make test` leaves it out, `make test-nightly` has it."""


def is_about_the_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    marker = item.get_closest_marker("django_db")
    if "transactional_db" in fixtures or (marker and (marker.kwargs.get("transaction") or any(marker.args))):
        return True
    if "db" not in fixtures and marker is None:
        return False
    return not item.nodeid.startswith(NOT_ABOUT_THE_DATABASE)


def is_a_repeat(nodeid: str) -> bool:
    """Whether it tries once more what was tried elsewhere: kills, lost calls, faults that pass and two desks in the
    vendor's newer interface; one result's page on a phone, and a click near its corner for every shape."""
    path, _, name = nodeid.partition("::")
    which = name.partition("[")[2]
    if path.endswith(("test_killed_workers.py", "test_lost_calls.py", "test_two_desks.py")):
        return "current" in which
    if path == "tests/engines/uwear/test_faults.py" and "passes" in name:
        # Each fault that stays is tried in both interfaces.
        return "current" in which
    if path == "tests/browser/test_one_upscale.py" and "place1" in which:
        return "wide" not in which
    return path == "tests/browser/test_one_upscale.py" and "phone" in which


def group_of(nodeid: str) -> str:
    """Tests of one group are run by one process, one after the other, since they share something slow to start.

    These are the whole desk of each queue, the desks of one module, and the warm child of the local engine. Any other
    test is a group of its own.
    """
    path, _, name = nodeid.partition("::")
    if path.startswith(("tests/browser/", "tests/clients/", "tests/live_server/", "tests/api/test_schema.py")):
        modes = [mode for mode in ("embedded", "cluster") if mode in name.partition("[")[2]]
        return f"desk {modes[0]}" if modes else path
    return "engine" if path.startswith("tests/engines/local/") else nodeid


# Before pytest's own hook, which picks by the mark.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if is_about_the_database(item):
            item.add_marker("database")
        if item.nodeid.startswith(NIGHTLY) or is_a_repeat(item.nodeid):
            item.add_marker("nightly")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """By these groups, the largest first. (xdist's own groups by marks are without effect since pytest 9.2.)"""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return ByGroup(config, log) if config.getoption("dist") == "load" else None
