//! Controls of whole tests: the test runs once more, in a process of its own, on a server that
//! breaks one promise. It has to fail, and with the words of its own check: a failure of anything
//! else proves nothing.

use std::process::Command;

use super::hostile::is_lifted;
use super::sabotaged::{
    ANSWER_BEFORE_COMMIT, FIFO_QUEUE, HURRY, LOCK_OUTSIDE, NO_HASH, SKIP_SYNC, SLOW_BATCHES,
    sabotaged_binary,
};

/// A fault, the test that has to notice it, and words of its own check: its failure has to say some
/// of them.
struct Control(&'static str, &'static str, &'static [&'static str]);

const CONTROLS: [Control; 16] = [
    Control(
        ANSWER_BEFORE_COMMIT,
        "faults::crashes::no_acknowledged_write_is_lost_when_the_server_is_killed",
        &["Written {", "left: 404"],
    ),
    Control(
        ANSWER_BEFORE_COMMIT,
        "faults::loss::kills_clean_ends_and_commands_are_never_taken_for_a_loss",
        &["Written {", "left: 404"],
    ),
    Control(
        "start-check",
        "faults::loss::a_log_that_is_cut_missing_empty_or_anothers_is_refused_until_a_person_\
            accepts_the_loss",
        &["the start is refused"],
    ),
    Control(
        "start-check",
        "faults::loss::no_flipped_bit_of_the_log_loses_a_write_without_a_word",
        &["left: 404"],
    ),
    Control(
        "held-files",
        "faults::replaced::nothing_is_acknowledged_into_a_file_that_is_gone_and_what_it_holds_can_\
            be_saved",
        &["statekeep.db was removed: "],
    ),
    Control(
        "row-hash",
        "faults::rows::an_edit_behind_the_servers_back_is_damage_and_neither_truth_nor_written_\
            over",
        &["deleted_at = 9 WHERE : [\"a live state: 404"],
    ),
    Control(
        "row-hash",
        "faults::rows::rotten::a_rotten_bit_is_never_told_as_the_truth",
        &["of 120 flips"],
    ),
    Control(
        "one-index",
        "faults::rows::an_edit_behind_the_servers_back_is_damage_and_neither_truth_nor_written_\
            over",
        &["building_block = 'nix' WHERE : [\"a live state: 404"],
    ),
    Control(
        "backup-without-wal",
        "backup::made::a_backup_beside_writers_holds_all_that_was_answered_before_it_as_it_was",
        // The keys are in the WAL too, as long as it is short.
        &["left: 401", "team/one has ", "team/two has "],
    ),
    Control(
        "backup-in-place",
        "backup::killed::a_backup_that_is_killed_is_a_good_one_or_none",
        &["turn "],
    ),
    Control(
        "backup-hash",
        "backup::refused::a_backup_that_is_damaged_or_cut_off_is_refused",
        &["left: Some(0)"],
    ),
    Control(
        "restore-unverified",
        "backup::restored::a_version_that_is_damaged_in_it_keeps_a_backup_from_being_restored_\
            unless_that_is_accepted",
        &["left: Some(0)"],
    ),
    Control(
        "restore-as-it-was",
        "backup::restored::tokens_end_locks_say_where_they_come_from_and_the_data_is_another",
        &["ended 1 token in "],
    ),
    Control(
        "drill-skipped",
        "backup::scheduled::a_drill_finds_a_bit_that_rotted_in_the_newest_backup",
        &["right: [\"drill_failed\"]"],
    ),
    Control(
        "event-shares",
        "api::event_bounds::a_storm_by_one_client_takes_no_event_of_another_workspace_and_none_\
            that_lasts",
        &["left: 0"],
    ),
    Control(
        "event-shares",
        "api::event_bounds::lasting_events_have_rows_of_their_own_and_the_greedy_state_loses_there_\
            too",
        &["left: 0"],
    ),
];

/// Faults whose controls stand beside the trials that have to notice them.
const ELSEWHERE: [&str; 8] = [
    LOCK_OUTSIDE,
    SKIP_SYNC,
    NO_HASH,
    HURRY,
    SLOW_BATCHES,
    FIFO_QUEUE,
    // These are no faults: they hold work, so that the tests of classes can look beside it.
    "held-long-reads",
    "held-large-work",
];

impl Control {
    /// What is wrong with the test: it passes on the server that breaks its promise, or fails for
    /// another reason.
    fn escapes(&self) -> Option<String> {
        let Self(fault, test, words) = self;
        let output = Command::new(std::env::current_exe().expect("this test's binary"))
            .args([test, "--exact", "--include-ignored"])
            .env("STATEKEEP_BIN", sabotaged_binary())
            .env("STATEKEEP_SABOTAGE", fault)
            // So many that some of them hit what is told.
            .env("STATEKEEP_PROOF_FLIPS_SHORT", "120")
            .output()
            .expect("this test's binary runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let is_caught = !output.status.success() && said.contains("1 failed");
        let is_its_own = words.iter().any(|words| said.contains(words));
        match (is_caught, is_its_own) {
            (true, true) => None,
            (true, false) => Some(format!("{fault}: {test} fails without {words:?}: {said}")),
            (false, _) => Some(format!("{fault}: {test} does not notice it: {said}")),
        }
    }
}

#[test]
#[ignore = "middle tier: the controls, each on a server that breaks one promise"]
fn each_test_of_a_promise_fails_on_a_server_that_breaks_it() {
    let escaped: Vec<String> = CONTROLS.iter().filter_map(Control::escapes).collect();
    assert!(escaped.is_empty(), "{}", escaped.join("\n\n"));
}

#[test]
fn each_fault_that_can_be_built_in_has_a_control() {
    let source = include_str!("../../../src/sabotage.rs");
    let names = source.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("Self::")?.split_once("=> \"")?.1;
        name.strip_suffix("\",")
    });
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let has_control = CONTROLS.iter().any(|Control(fault, ..)| *fault == name);
        let is_elsewhere = ELSEWHERE.contains(&name) || is_lifted(name);
        assert!(has_control || is_elsewhere, "{name}");
    }
}
