//! What systemd is told and gives: readiness, a status line, the watchdog, the end, and a socket.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixDatagram;
use std::process::Stdio;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::harness::{PATIENCE, Server, Setup, eventually, kill, statekeep};
use crate::skip;

/// What a server tells its service manager.
struct Manager {
    dir: TempDir,
    socket: UnixDatagram,
    told: Vec<String>,
}

impl Manager {
    fn new() -> Self {
        let dir = TempDir::new().expect("a directory");
        let socket = UnixDatagram::bind(dir.path().join("notify")).expect("a socket");
        let patience = Some(Duration::from_millis(50));
        socket.set_read_timeout(patience).expect("a time");
        Self {
            dir,
            socket,
            told: Vec::new(),
        }
    }

    fn start(&self, setup: Setup) -> Server {
        let path = self.dir.path().join("notify");
        setup
            .env("NOTIFY_SOCKET", path.to_str().expect("UTF-8"))
            .start()
    }

    /// Reads all that has come.
    fn read_on(&mut self) {
        let mut message = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut message) {
            let text = String::from_utf8_lossy(&message[..length]);
            self.told.extend(text.lines().map(str::to_owned));
        }
    }

    fn count(&self, line: &str) -> usize {
        self.told.iter().filter(|told| *told == line).count()
    }

    /// Waits until it has been told so often.
    fn is_told(&mut self, line: &str, times: usize) {
        let end = Instant::now() + PATIENCE;
        while self.count(line) < times {
            assert!(Instant::now() < end, "no `{line}` in {:?}", self.told);
            self.read_on();
        }
    }
}

#[test]
fn a_server_says_when_it_is_ready_how_it_is_and_that_it_leaves() {
    let mut manager = Manager::new();
    let mut server = manager.start(Setup::new());

    manager.is_told("READY=1", 1);
    manager.is_told(&format!("STATUS=listening on {}", server.url()), 1);
    let opening = "STATUS=opening the data directory";
    let place = |line: &str| manager.told.iter().position(|told| told == line);
    assert!(place(opening) < place("READY=1"), "{:?}", manager.told);
    assert_eq!(manager.count("WATCHDOG=1"), 0, "nobody asked for it");

    // A reload, with nothing to read anew.
    assert!(kill("HUP", server.pid()));
    server.anonymous().get("/healthz").expect_status(200);
    assert!(kill("TERM", server.pid()));
    manager.is_told("STOPPING=1", 1);
    assert!(server.wait().success());
}

#[test]
fn the_watchdog_is_fed_while_the_writer_comes_by_its_work_and_not_while_it_hangs() {
    let Some(strace) = skip::program("strace", "STATEKEEP_STRACE") else {
        return;
    };
    let mut manager = Manager::new();
    let server = manager.start(Setup::new().env("WATCHDOG_USEC", "300000"));
    manager.is_told("WATCHDOG=1", 3);

    // Each sync of the disk takes ten minutes from now on.
    let mut hanging = std::process::Command::new(strace);
    let pid = server.pid().to_string();
    let slow = "inject=fdatasync,fsync:delay_enter=600000000";
    hanging.args(["-f", "-qq", "-o", "/dev/null", "-e", slow, "-p", &pid]);
    let mut hanging = hanging.stderr(Stdio::null()).spawn().expect("it runs");
    let writer = server.admin();
    let hung = std::thread::spawn(move || {
        let state = crate::harness::tfstate(&crate::harness::lineage(1), 1);
        let path = crate::harness::state_path("team-a/network");
        let _ = writer.request("POST", &path).body(state).send();
    });
    let mut fed = usize::MAX;
    eventually("the watchdog is fed no more", || {
        let before = std::mem::replace(&mut fed, manager.count("WATCHDOG=1"));
        std::thread::sleep(Duration::from_secs(1));
        manager.read_on();
        before == fed && fed == manager.count("WATCHDOG=1")
    });
    server.anonymous().get("/healthz").expect_status(200);

    let _ = hanging.kill();
    let _ = hanging.wait();
    drop(server);
    let _ = hung.join();
}

/// Whether a server that answers one request there is well.
fn is_alive(address: &str) -> bool {
    let request = "GET /healthz HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let asked = TcpStream::connect(address).and_then(|mut stream| {
        stream.write_all(request.as_bytes())?;
        stream.read_to_string(&mut answer)
    });
    asked.is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

#[test]
fn a_server_takes_the_socket_that_systemd_listens_on() {
    let name = "systemd-socket-activate";
    let Some(activate) = skip::program(name, "STATEKEEP_SOCKET_ACTIVATE") else {
        return;
    };
    let dir = TempDir::new().expect("a directory");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address").to_string();
    drop(free);
    let data = dir.path().join("data");
    // Another address is named by the flag; the socket counts.
    let data = data.to_str().expect("UTF-8");
    let inner = statekeep(&["serve", "--data", data, "--listen", "192.0.2.1:1"]);
    let mut activated = std::process::Command::new(activate);
    activated.args(["-l", &address]).arg(inner.get_program());
    activated.args(inner.get_args()).stdin(Stdio::null());
    let outputs = (Stdio::null(), Stdio::null());
    let mut activated = activated
        .stdout(outputs.0)
        .stderr(outputs.1)
        .spawn()
        .expect("it runs");

    // The first client starts the server, and waits for it.
    eventually("the server answers there", || is_alive(&address));

    assert!(kill("TERM", activated.id()));
    assert!(activated.wait().expect("our child").success());
}

#[test]
fn sockets_that_do_not_fit_are_refused_in_words() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let output = statekeep(&["serve", "--data", data.to_str().expect("UTF-8")])
        .env("LISTEN_FDS", "2")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("one TCP socket") && said.contains("ListenStream="),
        "{said}"
    );
}
