//! What a command says is true, and in the words of the command line: flags and commands, where the
//! server speaks of members and calls.

use super::{Place, some_states, stderr};

#[test]
fn a_refusal_names_flags_and_commands() {
    Place::both(some_states, |place| {
        for (args, words) in [
            (
                &["state", "freeze", "team/net", "--reason=x", "--for=367d"][..],
                "--for is longer than 0s, and at most 366d",
            ),
            (
                &["key", "create", "x", "--role=admin", "--expires=0s"],
                "--expires has to be from 1 to",
            ),
            (&["find", "!"], "TEXT has to have a word"),
            (
                &["events", "--acknowledge", "99999"],
                "`statekeep events` lists them",
            ),
            (
                &["events", "--kind", "state.nope"],
                "`statekeep help 'GET /api/events'` lists them",
            ),
            (
                &["approval", "give", "1"],
                "`statekeep approval list` lists them",
            ),
        ] {
            place.fails(args, words);
            let said = stderr(&place.run(args));
            for theirs in ["GET /api/approvals lists", "expires_in", "until lies"] {
                assert!(!said.contains(theirs), "{args:?}: {said}");
            }
        }
        let page = place.ok(&["help", "GET /api/events"]);
        assert!(page.contains("lock.died"), "{page}");
    });
}

#[test]
fn a_restore_of_a_live_state_says_that_nothing_was_done() {
    Place::both(some_states, |place| {
        let restore = || stderr(&place.run(&["state", "restore", "team/net"]));
        let said = restore();
        assert!(said.contains("nothing was done"), "{said}");
        place.ok(&["state", "delete", "team/net", "--yes"]);
        let said = restore();
        assert!(said.contains("team/net is back: version 4"), "{said}");
        place.ok(&["state", "move", "team/net", "team/elsewhere"]);
        let said = restore();
        assert!(said.contains("team/net is back: version 4"), "{said}");
    });
}
