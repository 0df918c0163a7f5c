//! The writer takes the jobs of each key in turn. A server that was built for controls does four
//! jobs in half a second, so that a few clients make a queue.

use super::sabotaged::{FIFO_QUEUE, SLOW_BATCHES, breaking};
use crate::harness::{Client, Server, eventually, lineage, tfstate};
use crate::inside;
use crate::scrape::{Scrape, monitor};

/// How many write at the same time with one key.
const MANY: usize = 60;
/// So many of them have to wait before the other one comes.
const WAITING: u64 = 40;

/// How many of the many writes were done after that of another key, which came last.
fn done_after_the_other(faults: &str) -> i64 {
    let server = breaking(faults).start();
    let greedy = server.key("greedy", "writer");
    let other = server.key("team", "writer");
    let monitor = monitor(&server);
    // Their secrets are known from now on, and cost no time later.
    greedy.read("greedy/x").expect_status(404);
    other.read("team/net").expect_status(404);
    std::thread::scope(|scope| {
        for number in 0..MANY {
            let (greedy, name) = (greedy.clone(), format!("greedy/n{number}"));
            scope.spawn(move || write(&greedy, &name));
        }
        eventually("all of the many are in the queue or done", || {
            let scrape = Scrape::of(&monitor);
            let done = scrape.sum("statekeep_writes_total", &[("outcome", "stored")]);
            let waiting = scrape.value("statekeep_writer_queue_jobs");
            waiting >= WAITING && done + waiting >= MANY as u64
        });
        write(&other, "team/net");
    });
    after_the_other(&server)
}

fn write(client: &Client, name: &str) {
    let state = tfstate(&lineage(1), 1);
    client.write(name, state, None).expect_status(200);
}

/// Events have their numbers in the order of commits.
fn after_the_other(server: &Server) -> i64 {
    let sql = "SELECT count(*) FROM events WHERE kind = 'state.write' AND workspace = 'greedy' AND \
               seq > (SELECT seq FROM events WHERE kind = 'state.write' AND workspace = 'team')";
    inside::number(server.data(), sql)
}

#[test]
#[ignore = "middle tier: a server that was built for controls"]
fn a_key_that_fills_the_queue_does_not_hold_up_another_one() {
    let in_order = format!("{SLOW_BATCHES},{FIFO_QUEUE}");
    let (in_turn, in_order) = std::thread::scope(|scope| {
        let in_turn = scope.spawn(|| done_after_the_other(SLOW_BATCHES));
        let in_order = scope.spawn(|| done_after_the_other(&in_order));
        let done = [in_turn, in_order].map(|one| one.join().expect("it ends"));
        (done[0], done[1])
    });
    // Before it are those of the batch that is under way, and of its own.
    assert!(in_turn >= 20, "{in_turn} of {MANY}");
    // Something of the server's own may have been counted as one of the many.
    assert!(in_order <= 2, "the control: {in_order} of {MANY}");
}
