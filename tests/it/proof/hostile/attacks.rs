//! The attacks: each goes on until it is told to stop, and begins again what the server ended.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Scope;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType};
use serde_json::json;

use crate::harness::{Client, Server, lineage, md5, state_path, tfstate_noted};
use crate::samples::lock_body_to;
use crate::wire::head;

/// The addresses that attackers without credentials have.
const ADDRESSES: u8 = 12;

/// How long an attacker rests between two looks at its connections.
const REST: Duration = Duration::from_millis(50);

/// Who is attacked, with which keys, and what was made for it before.
pub(super) struct Target {
    address: SocketAddr,
    /// Of another workspace than the neighbours'.
    writer: Client,
    planner: Client,
    reader: Client,
    outputs: Client,
    /// The id of a key of the neighbours' workspace.
    known_id: String,
}

/// The bytes of a large state of the attackers' workspace.
const LARGE: usize = 8 * 1024 * 1024;

impl Target {
    /// What these attacks need.
    pub(super) fn new(server: &Server, attacks: &[&Attack]) -> Self {
        let target = Self {
            address: server.address().parse().expect("an address"),
            writer: server.key("greedy", "writer"),
            planner: server.key("greedy", "planner"),
            reader: server.key("greedy", "reader"),
            outputs: server.key("greedy", "outputs"),
            known_id: server.key("calm", "writer").key_id,
        };
        for attack in attacks {
            (attack.prepare)(&target);
        }
        target
    }

    fn make_large_states(&self) {
        for number in 0..8 {
            let note = format!("{number}{}", "y".repeat(LARGE));
            let body = tfstate_noted(&lineage(number), 1, &note);
            let name = format!("greedy/large-{number}");
            self.writer.write(&name, body, None).expect_status(200);
        }
    }

    fn make_two_versions(&self) {
        for serial in 1..=2 {
            let note = format!("{serial}{}", "z".repeat(3 * 1024 * 1024));
            let body = tfstate_noted(&lineage(9), serial, &note);
            let written = self.writer.write("greedy/compared", body, None);
            written.expect_status(200);
        }
    }

    /// A connection from an address of the attackers.
    fn connect(&self, from: u8) -> std::io::Result<TcpStream> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        let own = SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 100 + from % ADDRESSES), 0);
        rustix::net::bind(&socket, &own)?;
        rustix::net::sockopt::set_socket_timeout(
            &socket,
            rustix::net::sockopt::Timeout::Send,
            Some(Duration::from_secs(1)),
        )?;
        rustix::net::connect(&socket, &self.address)?;
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(Duration::from_millis(1)))?;
        Ok(stream)
    }
}

/// One kind of attack, made by so many threads.
pub(super) struct Attack {
    pub(super) name: &'static str,
    /// Whether no credentials are needed for it.
    pub(super) is_by_strangers: bool,
    threads: u8,
    prepare: fn(&Target),
    go_on: fn(&Target, u8, &AtomicBool),
}

impl Attack {
    pub(super) fn begin<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        target: &'scope Target,
        stop: &'scope AtomicBool,
        share: Share,
    ) {
        for index in 0..self.threads {
            scope.spawn(move || {
                share.take();
                (self.go_on)(target, index, stop);
            });
        }
    }
}

/// What attackers take of the processors. They have machines of their own, so on this one they
/// are to take little from those whom they attack.
#[derive(Clone, Copy)]
pub(super) enum Share {
    /// Only what nobody else wants: at the lowest usual priority, fifty of their threads would
    /// take half a processor.
    Leftovers,
    /// A little, at that priority: beside other tests nothing is left, and a few threads that
    /// never run are no attack.
    Little,
}

impl Share {
    /// This thread takes no more.
    fn take(self) {
        match self {
            Self::Leftovers => take_what_others_leave(),
            Self::Little => {
                rustix::process::setpriority_process(None, 19).expect("a lower priority");
            }
        }
    }
}

fn take_what_others_leave() {
    let thread = std::fs::read_link("/proc/thread-self").expect("a thread");
    let id = thread.file_name().expect("its id");
    let mut chrt = Command::new("chrt");
    let told = chrt.args(["--idle", "--pid", "0"]).arg(id).status();
    assert!(
        told.is_ok_and(|status| status.success()),
        "chrt of util-linux"
    );
}

const fn attack(name: &'static str, threads: u8, go_on: fn(&Target, u8, &AtomicBool)) -> Attack {
    Attack {
        name,
        is_by_strangers: false,
        threads,
        prepare: |_| (),
        go_on,
    }
}

const fn by_strangers(
    name: &'static str,
    threads: u8,
    go_on: fn(&Target, u8, &AtomicBool),
) -> Attack {
    Attack {
        is_by_strangers: true,
        ..attack(name, threads, go_on)
    }
}

impl Attack {
    /// The same with something that is made for it before.
    const fn after(self, prepare: fn(&Target)) -> Self {
        Self { prepare, ..self }
    }
}

pub(super) const ATTACKS: [Attack; 10] = [
    by_strangers("idle connections", 1, |target, _, stop| {
        let request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
        hold(target, 3_000, stop, |_| request.as_bytes().to_vec());
    }),
    by_strangers("half heads", 1, |target, _, stop| {
        let half = format!("GET / HTTP/1.1\r\nHost: x\r\nX: {}", "h".repeat(100_000));
        hold(target, 1_500, stop, |_| half.as_bytes().to_vec());
    }),
    by_strangers("slow logins", 1, |target, _, stop| {
        let login = "POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 65536\r\n\r\n{";
        hold(target, 600, stop, |_| login.as_bytes().to_vec());
    }),
    attack("slow bodies", 1, |target, _, stop| {
        let path = state_path("greedy/slow");
        let length = format!("Content-Length: {}", 48 * 1024 * 1024);
        let head = head("POST", &path, &target.writer, &[&length]) + "{";
        hold(target, 40, stop, |_| head.as_bytes().to_vec());
    }),
    attack("slow readers", 1, |target, _, stop| {
        hold(target, 60, stop, |index| {
            let path = state_path(&format!("greedy/large-{}", index % 8));
            head("GET", &path, &target.reader, &[]).into_bytes()
        });
    })
    .after(Target::make_large_states),
    attack("a greedy planner", 4, |target, index, stop| {
        let mut number = 0;
        while !stop.load(Ordering::SeqCst) {
            number += 1;
            let path = state_path(&format!("greedy/never-{index}-{number}"));
            // Too large for a lock, or one of too many.
            let padding = " ".repeat(if number % 2 == 0 { 60_000 } else { 0 });
            let lock = lock_body_to("OperationTypePlan", "lock") + &padding;
            let _ = target.planner.request("LOCK", &path).body(lock).send();
        }
    }),
    attack("a greedy reader", 16, |target, _, stop| {
        let path = format!("{}/versions/2/diff?from=1", state_path("greedy/compared"));
        while !stop.load(Ordering::SeqCst) {
            let _ = target.reader.request("GET", &path).send();
        }
    })
    .after(Target::make_two_versions),
    attack("detection bombs", 4, |target, _, stop| {
        let source = format!("x = a{}\n", "[0]".repeat(300_000));
        let body = json!({ "files": { "main.tf": source } });
        while !stop.load(Ordering::SeqCst) {
            let request = target.outputs.request("POST", "/api/terraform/detect");
            let _ = request.json(&body).send();
        }
    }),
    by_strangers("knocking", 4, |target, _, stop| {
        let wrong = target.writer.with_secret(&"k".repeat(60));
        let body = json!({ "clientId": target.known_id, "clientSecret": "wrong".repeat(10) });
        while !stop.load(Ordering::SeqCst) {
            let _ = wrong.request("GET", &state_path("calm/x")).send();
            let _ = wrong.request("POST", "/api/login").json(&body).send();
        }
    }),
    attack("a storm of events", 4, |target, index, stop| {
        let (path, body) = (
            state_path(&format!("greedy/storm-{index}")),
            lock_body_to("OperationTypePlan", "storm"),
        );
        while !stop.load(Ordering::SeqCst) {
            for method in ["LOCK", "UNLOCK"] {
                let request = target.planner.request(method, &path);
                let request = request.header("Content-MD5", md5(body.as_bytes()));
                let _ = request.body(body.clone()).send();
            }
        }
    }),
];

/// Keeps so many connections open that have sent something and then do nothing. Those that the
/// server ends are made anew.
fn hold(target: &Target, count: usize, stop: &AtomicBool, sent: impl Fn(usize) -> Vec<u8>) {
    let mut held: Vec<Option<TcpStream>> = (0..count).map(|_| None).collect();
    while !stop.load(Ordering::SeqCst) {
        for (index, place) in held.iter_mut().enumerate() {
            if stop.load(Ordering::SeqCst) {
                return;
            }
            if place.as_mut().is_some_and(is_open) {
                continue;
            }
            let from = u8::try_from(index % usize::from(ADDRESSES)).unwrap_or(0);
            *place = target.connect(from).ok().and_then(|mut stream| {
                stream.write_all(&sent(index)).ok()?;
                Some(stream)
            });
        }
        std::thread::sleep(REST);
    }
}

/// Whether a connection is still open. A byte at a time is read, as slowly as can be.
fn is_open(stream: &mut TcpStream) -> bool {
    match stream.read(&mut [0]) {
        Ok(count) => count > 0,
        Err(error) => matches!(
            error.kind(),
            std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
        ),
    }
}
