//! Clients that go away while their request is under way, in the ordinary way and in the other:
//! nothing goes on for them.

use crate::harness::{eventually, state_path};
use crate::scrape::{eventually_all_is_back, eventually_in_flight, monitor};
use crate::wire::{Wire, head};

use super::{KIB, held_by_the_operator, sized, small, writer};

#[test]
fn whoever_closes_or_resets_the_connection_is_gone_at_once() {
    let server = small().start();
    let (writer, monitor) = (writer(&server), monitor(&server));
    let names = ["team/fin", "team/rst", "team/stays"];
    for name in names {
        writer
            .write(name, sized(1, 200 * KIB), None)
            .expect_status(200);
    }
    let slow = held_by_the_operator(&server, 8);
    eventually_in_flight(&monitor, 8 << 20, "all that there is");
    // Each waits some seconds for memory.
    let [mut fin, rst, mut stays] = names.map(|name| {
        let mut wire = Wire::to(&server);
        wire.send(head("GET", &state_path(name), &writer, &[]));
        wire
    });
    fin.finish();
    rst.reset();
    stays
        .answer()
        .expect("an answer")
        .expect_problem(503, "over_memory_budget");
    for (name, went) in names.into_iter().zip([true, true, false]) {
        let lines = || {
            server
                .log()
                .lines()
                .filter(|line| line.contains(&state_path(name)) && line.contains("GET"))
                .collect::<Vec<_>>()
                .join("\n")
        };
        eventually(&format!("the line of {name}"), || !lines().is_empty());
        assert_eq!(
            lines().contains("the client went away before it was answered"),
            went,
            "{}",
            lines()
        );
    }
    drop(slow);
    eventually_all_is_back(&monitor, "at the end");
}
