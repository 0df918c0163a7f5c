//! The first start, every later one, and leaving: directories, the admin key, settings, signals.

mod leaving;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::disk::mode;
use crate::harness::{
    Client, PATIENCE, Server, Setup, binary, children, eventually, kill, statekeep, tfstate,
};
use crate::skip;
use crate::wire::find;

const L1: &str = "11111111-1111-4111-8111-111111111111";

fn key_file(data: &Path) -> std::path::PathBuf {
    data.join("initial-admin-key")
}

#[test]
fn a_missing_data_directory_is_made_for_its_owner_alone() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("deep").join("er");
    let server = Setup::new().data(&data).start();
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&key_file(&data)), 0o600);
    assert_eq!(mode(&data.join("statekeep.sock")), 0o600);
    assert_eq!(
        mode(&data.join("statekeep.db")) & 0o077,
        0,
        "nobody else reads the database"
    );
    server.admin().get("/api/keys").expect_status(200);
}

#[test]
fn the_first_start_makes_an_admin_key_once_and_logs_where_it_is_but_not_the_key() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let secret = std::fs::read_to_string(key_file(&data)).expect("a key file");
    assert!(
        secret.trim().starts_with("skp_"),
        "the file holds the secret"
    );
    let keys = server
        .with(secret.trim())
        .get("/api/keys")
        .expect_status(200)
        .json();
    assert_eq!(keys["keys"].as_array().map(Vec::len), Some(1));
    assert!(
        server
            .log()
            .contains(key_file(&data).to_str().expect("UTF-8")),
        "{}",
        server.log()
    );
    assert!(!server.log().contains(secret.trim()));
    server.stop();
    std::fs::remove_file(key_file(&data)).expect("the operator has taken it away");
    let server = Setup::new().data(&data).start();
    assert!(!key_file(&data).exists(), "no second one is made");
    assert!(!server.log().contains("skp_"));
    let again = server
        .with(secret.trim())
        .get("/api/keys")
        .expect_status(200)
        .json();
    assert_eq!(
        (
            again["keys"].as_array().map(Vec::len),
            &again["keys"][0]["id"]
        ),
        (Some(1), &keys["keys"][0]["id"])
    );
}

#[test]
fn on_a_terminal_the_admin_key_is_shown_instead_of_written() {
    let Some(script) = skip::program("script", "STATEKEEP_SCRIPT") else {
        return;
    };
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let inner = format!(
        "'{}' serve --data '{}' --listen 127.0.0.1:0",
        binary().display(),
        data.display()
    );
    let mut child = Command::new(script)
        .args(["-q", "-e", "-c", &inner, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script runs");
    let mut output = child.stdout.take().expect("piped");
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let (mut seen, mut buffer) = (Vec::new(), [0; 4096]);
        while find(&seen, b"listening on").is_none() || find(&seen, b"skp_").is_none() {
            match output.read(&mut buffer) {
                Ok(count) if count > 0 => seen.extend_from_slice(&buffer[..count]),
                _ => break,
            }
        }
        let _ = sender.send(seen);
        let _ = output.read_to_end(&mut Vec::new());
    });
    let seen = receiver.recv_timeout(PATIENCE);
    // Between `script` and the server there may be a shell.
    let below = children(child.id());
    let family: Vec<u32> = below
        .iter()
        .flat_map(|&pid| children(pid))
        .chain(below.iter().copied())
        .collect();
    for &pid in &family {
        kill("KILL", pid);
    }
    let _ = child.kill();
    let _ = child.wait();
    // A process has let go of its files when its first thread is a zombie and no other one is left.
    let alive = |pid: &u32| {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count);
        threads > 1 || std::fs::read_link(format!("/proc/{pid}/exe")).is_ok()
    };
    eventually("the server is gone", || !family.iter().any(alive));
    let seen = String::from_utf8_lossy(&seen.expect("the server shows its key and its address"))
        .into_owned();
    assert!(!key_file(&data).exists(), "{seen}");
    let start = seen.find("skp_").expect("a key");
    let secret: String = seen[start..]
        .chars()
        .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
        .collect();
    assert!(!seen[start + secret.len()..].contains(&secret), "once");
    let server = Setup::new().data(&data).start();
    server.with(&secret).get("/api/keys").expect_status(200);
}

#[test]
fn each_flag_is_a_variable_too_and_the_flag_wins() {
    let refuses = |server: &Server| {
        server
            .admin()
            .write("team/net", tfstate(L1, 1), None)
            .status
            == 409
    };
    assert!(refuses(
        &Setup::new()
            .env("STATEKEEP_UNLOCKED_WRITES", "refuse")
            .start()
    ));
    assert!(refuses(
        &Setup::new().flag("--unlocked-writes", "refuse").start()
    ));
    assert!(!refuses(
        &Setup::new()
            .env("STATEKEEP_UNLOCKED_WRITES", "refuse")
            .flag("--unlocked-writes", "guard")
            .start()
    ));
    let limited = Setup::new()
        .env("STATEKEEP_MAX_STATE_SIZE", "1KiB")
        .env("STATEKEEP_TOKEN_LIFETIME", "5m")
        .start();
    limited
        .admin()
        .write("team/net", " ".repeat(2000), None)
        .expect_problem(413, "state_too_large");
    let key = limited.key("team", "writer");
    let login = serde_json::json!({"clientId": key.key_id, "clientSecret": key.secret()});
    assert_eq!(
        limited
            .anonymous()
            .post_json("/api/login", &login)
            .expect_status(200)
            .json()["expires_in"],
        300
    );
}

#[test]
fn several_trusted_proxies_are_separated_by_commas_in_the_variable() {
    let server = Setup::new()
        .env("STATEKEEP_TRUSTED_PROXY", "192.0.2.0/24,127.0.0.1/32")
        .start();
    let admin = server.admin();
    let request = admin
        .request("POST", &crate::harness::state_path("team/net"))
        .header("X-Forwarded-For", "198.51.100.7, 192.0.2.9");
    let version = Client::ask(request.body(tfstate(L1, 1)))
        .expect_status(200)
        .json();
    assert_eq!(version["address"], "198.51.100.7");
}

#[test]
fn the_data_directory_and_the_address_come_from_variables_too() {
    let dir = TempDir::new().expect("a directory");
    let mut child = statekeep(&["serve"])
        .current_dir(dir.path())
        .env("STATEKEEP_LISTEN", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    eventually("the default data directory is made", || {
        key_file(&dir.path().join("statekeep-data")).exists()
    });
    let _ = child.kill();
    let _ = child.wait();
    let data = dir.path().join("elsewhere");
    let mut child = statekeep(&["serve", "--listen", "127.0.0.1:0"])
        .env("STATEKEEP_DATA", &data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary starts");
    eventually("the named one is made", || key_file(&data).exists());
    let _ = child.kill();
    let _ = child.wait();
}

#[test]
fn the_base_url_is_in_the_addresses_that_the_server_tells() {
    let server = Setup::new()
        .flag("--base-url", "https://states.example.org/keep")
        .start();
    server
        .admin()
        .write("team/net", tfstate(L1, 1), None)
        .expect_status(200);
    let list = server
        .admin()
        .get("/api/terraform/state")
        .expect_status(200)
        .json();
    let address = list["states"][0]["address"]
        .as_str()
        .expect("an address")
        .to_owned();
    assert_eq!(
        address,
        format!(
            "https://states.example.org/keep{}",
            crate::harness::state_path("team/net")
        )
    );
}

#[test]
fn plain_http_beyond_this_machine_is_started_with_a_loud_warning() {
    let warns = |listen: &str| {
        let dir = TempDir::new().expect("a directory");
        let data = dir.path().join("data");
        let mut child = statekeep(&[
            "serve",
            "--data",
            data.to_str().expect("UTF-8"),
            "--listen",
            listen,
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
        eventually("it has started", || data.join("statekeep.sock").exists());
        kill("TERM", child.id());
        let end = std::time::Instant::now() + PATIENCE;
        while child.try_wait().expect("ours").is_none() && std::time::Instant::now() < end {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = child.kill();
        let output = child.wait_with_output().expect("its output");
        String::from_utf8_lossy(&output.stderr)
            .lines()
            .any(|line| line.contains("WARN") && line.to_lowercase().contains("http"))
    };
    assert!(warns("0.0.0.0:0"));
    assert!(!warns("127.0.0.1:0"));
}

#[test]
fn keys_states_and_locks_are_there_after_a_restart() {
    let dir = TempDir::new().expect("a directory");
    let data = dir.path().join("data");
    let server = Setup::new().data(&data).start();
    let writer = server.key("team", "writer");
    writer.lock("team/net", "lock-1").expect_status(200);
    for serial in 1..=5 {
        writer
            .write("team/net", tfstate(L1, serial), Some("lock-1"))
            .expect_status(200);
    }
    let history = writer.written("team/net");
    let lock = writer
        .get(&format!("{}/lock", crate::harness::state_path("team/net")))
        .json();
    assert!(server.stop().success());
    for _ in 0..2 {
        let server = Setup::new().data(&data).start();
        let writer = writer.at(&server);
        assert_eq!(writer.written("team/net"), history);
        assert_eq!(
            writer
                .get(&format!("{}/lock", crate::harness::state_path("team/net")))
                .json(),
            lock
        );
        assert_eq!(
            writer.read("team/net").expect_status(200).text(),
            tfstate(L1, 5)
        );
        assert!(server.stop().success());
    }
}
