//! All of a body, and all of an answer, has to be through within 10 minutes, however steadily it
//! comes. No test waits for so long: a server that was built for controls has 4 s instead. The
//! usual one goes on with the same clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::sabotaged::{HURRY, breaking};
use crate::harness::{PATIENCE, Server, Setup, lineage, state_path, tfstate_noted};
use crate::wire::{Wire, chunked, head};

const MIB: usize = 1024 * 1024;
/// So large that no buffer of the system holds it.
const SIZE: usize = 24 * MIB;
/// Longer than the short time and the first pause together.
const STEADILY: Duration = Duration::from_secs(9);
const TICK: Duration = Duration::from_millis(50);

fn start(setup: Setup) -> Server {
    let setup = setup.flag("--body-timeout", "3s");
    let setup = setup.flag("--max-state-size", "32MiB");
    setup.flag("--max-in-flight", "128MiB").start()
}

/// How much of an answer comes to a client that reads 640 KiB in a second for a while, and then all
/// that there is.
fn read_steadily(setup: Setup) -> usize {
    let server = start(setup);
    let writer = server.key("team", "writer");
    let state = tfstate_noted(&lineage(1), 1, &"x".repeat(SIZE));
    writer.write("team/net", state, None).expect_status(200);
    let mut stream = TcpStream::connect(server.address()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    // The system keeps little of it, so that the server sees how steadily it is read.
    rustix::net::sockopt::set_socket_recv_buffer_size(&stream, 64 * 1024).expect("a buffer");
    let request = head("GET", &state_path("team/net"), &writer, &[]);
    stream.write_all(request.as_bytes()).expect("it is sent");
    let (mut came, begun) = (0, Instant::now());
    let mut buffer = vec![0; 32 * 1024];
    while came < SIZE {
        match stream.read(&mut buffer) {
            Ok(count) if count > 0 => came += count,
            Ok(_) | Err(_) => break,
        }
        if begun.elapsed() < STEADILY {
            std::thread::sleep(TICK);
        }
    }
    came
}

/// The code of the answer to a client that sends 80 KiB in a second for a while, if there is one.
fn write_steadily(setup: Setup) -> Option<String> {
    let server = start(setup);
    let writer = server.key("team", "writer");
    let mut wire = Wire::to(&server);
    let chunks = ["Transfer-Encoding: chunked"];
    wire.send(head("POST", &state_path("team/net"), &writer, &chunks));
    let chunk = chunked(vec![b' '; 4 * 1024], 4 * 1024);
    let chunk = &chunk[..chunk.len() - 5];
    let begun = Instant::now();
    while begun.elapsed() < STEADILY {
        wire.send(chunk);
        if !wire.is_quiet(TICK) {
            let problem = wire.answer().expect("an answer").json();
            return problem["code"].as_str().map(str::to_owned);
        }
    }
    None
}

#[test]
#[ignore = "middle tier: a server that was built for controls"]
fn what_takes_too_long_in_all_ends_however_steadily_it_comes() {
    std::thread::scope(|scope| {
        let cut = scope.spawn(|| read_steadily(breaking(HURRY)));
        let whole = scope.spawn(|| read_steadily(Setup::new()));
        let refused = scope.spawn(|| write_steadily(breaking(HURRY)));
        let goes_on = scope.spawn(|| write_steadily(Setup::new()));
        let [cut, whole] = [cut, whole].map(|reader| reader.join().expect("a reader"));
        let [refused, goes_on] = [refused, goes_on].map(|writer| writer.join().expect("a writer"));
        assert!(cut < SIZE, "{cut} bytes");
        assert!(whole >= SIZE, "{whole} bytes");
        assert_eq!(refused.as_deref(), Some("slow_body"));
        assert_eq!(goes_on, None);
    });
}
