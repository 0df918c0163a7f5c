//! Who acts: the operator only where nothing says otherwise, and a refusal says as whom.

use std::process::Output;

use tempfile::TempDir;

use crate::harness::{Server, statekeep, tfstate};

use super::{L1, stderr};

struct Site {
    server: Server,
    dir: TempDir,
}

impl Site {
    /// A server with a state, and a file with the secret of a key that may do little.
    fn new() -> Self {
        let server = Server::start();
        server
            .admin()
            .write("team/net", tfstate(L1, 1), None)
            .expect_status(200);
        let dir = TempDir::new().expect("a directory");
        std::fs::write(
            dir.path().join("key"),
            server.key("team", "reader").secret(),
        )
        .expect("a file");
        Self { server, dir }
    }

    /// Runs a command with variables and flags in which `URL`, `DATA` and `KEY` stand for those of
    /// the server.
    fn run(&self, variables: &[(&str, &str)], args: &[&str]) -> Output {
        let key = self
            .dir
            .path()
            .join("key")
            .to_str()
            .expect("UTF-8")
            .to_owned();
        let data = self.server.data().to_str().expect("UTF-8").to_owned();
        let named = |word: &str| {
            word.replace("URL", self.server.url())
                .replace("DATA", &data)
                .replace("KEY", &key)
        };
        let args: Vec<String> = args.iter().map(|word| named(word)).collect();
        let mut command = statekeep(&args.iter().map(String::as_str).collect::<Vec<_>>());
        command.current_dir(self.dir.path());
        for (name, value) in variables {
            command.env(format!("STATEKEEP_{name}"), named(value));
        }
        command.output().expect("it runs")
    }
}

#[test]
fn the_operator_acts_only_where_nothing_says_otherwise() {
    let site = Site::new();
    let (url, data, key) = (("URL", "URL"), ("DATA", "DATA"), ("KEY_FILE", "KEY"));
    // A reader may not list keys, which tells who acts: 0 the operator, 1 the key, 2 nobody.
    for (variables, flags, code, word) in [
        (&[][..], &["--data", "DATA"][..], 0, ""),
        (&[data], &[], 0, ""),
        (
            &[],
            &["--url", "URL", "--key-file", "KEY"],
            1,
            "because --url is given",
        ),
        (&[url, key], &[], 1, "because STATEKEEP_URL is set"),
        (
            &[url],
            &["--key-file", "KEY"],
            1,
            "because STATEKEEP_URL is set",
        ),
        (&[key], &["--url", "URL"], 1, "because --url is given"),
        (&[data, key], &["--url", "URL"], 1, "because --url is given"),
        (&[url, key], &["--data", "DATA"], 0, ""),
        (&[key], &["--data", "DATA"], 0, ""),
        (&[data], &["--key-file", "KEY"], 2, "--url"),
        (&[], &["--key-file", "KEY", "--data", "DATA"], 2, "--url"),
        (&[url], &["--key-file", "KEY", "--data", "DATA"], 2, "--url"),
        (&[key], &[], 2, "STATEKEEP_KEY_FILE"),
        (&[data, key], &[], 2, "STATEKEEP_KEY_FILE"),
        (
            &[],
            &["--url", "URL", "--key-file", "KEY", "--data", "DATA"],
            2,
            "--data",
        ),
        (&[url, data], &[], 2, "STATEKEEP_DATA"),
        (&[url, data, key], &[], 2, "STATEKEEP_DATA"),
        (
            &[url, data],
            &["--key-file", "KEY"],
            1,
            "because STATEKEEP_URL is set",
        ),
        (&[], &["--url", "URL"], 2, "--key-file"),
        (&[url], &[], 2, "--key-file"),
    ] {
        let output = site.run(variables, &[&["key", "list"], flags].concat());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{variables:?} {flags:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(word),
            "{variables:?} {flags:?}: {}",
            stderr(&output)
        );
    }
    assert_eq!(
        std::fs::read_dir(site.dir.path())
            .expect("a directory")
            .count(),
        1,
        "nothing was made"
    );
}

#[test]
fn a_refusal_says_as_which_key_and_why_not_as_the_operator() {
    let site = Site::new();
    let reader = std::fs::read_to_string(site.dir.path().join("key")).expect("a file");
    for args in [
        &["key", "list"][..],
        &["state", "delete", "team/net", "--yes"],
        &["state", "pull", "other/net"],
    ] {
        let output = site.run(
            &[],
            &[args, &["--url", "URL", "--key-file", "KEY"]].concat(),
        );
        assert_eq!(
            output.status.code(),
            Some(1),
            "{args:?}: {}",
            stderr(&output)
        );
        let said = stderr(&output);
        assert!(
            said.contains("as the key ") && said.contains("not as the operator"),
            "{args:?}: {said}"
        );
        assert!(!said.contains(reader.trim()), "{said}");
    }
    std::fs::write(site.dir.path().join("key"), "skp_nonsense").expect("a file");
    let output = site.run(&[("URL", "URL"), ("KEY_FILE", "KEY")], &["key", "list"]);
    assert!(
        stderr(&output).contains("not as the operator, because STATEKEEP_URL is set"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_key_file_holds_a_secret_and_nothing_else() {
    let site = Site::new();
    let secret = std::fs::read_to_string(site.dir.path().join("key")).expect("a file");
    for (content, word) in [
        (String::new(), "is empty"),
        (" \n\n".to_owned(), "is empty"),
        (format!("STATEKEEP_KEY={secret}"), "more than a secret"),
        (format!("export KEY=\"{secret}\"\n"), "more than a secret"),
        (format!("key: {secret}"), "more than a secret"),
        (format!("{secret}\n{secret}"), "more than a secret"),
        ("\u{feff}\r\n".to_owned(), "is empty"),
    ] {
        std::fs::write(site.dir.path().join("key"), content).expect("a file");
        let output = site.run(&[], &["state", "list", "--url", "URL", "--key-file", "KEY"]);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(
            stderr(&output).contains(word) && stderr(&output).contains("key: "),
            "{}",
            stderr(&output)
        );
        assert!(
            !stderr(&output).contains(secret.trim()),
            "{}",
            stderr(&output)
        );
    }
    let list = ["state", "list", "--url", "URL", "--key-file", "KEY"];
    for good in [
        format!("\n {secret} \n"),
        format!("\u{feff}{}\r\n", secret.trim()),
    ] {
        std::fs::write(site.dir.path().join("key"), &good).expect("a file");
        let output = site.run(&[], &list);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    // As PowerShell's `>` writes it.
    let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let wide = [b"\xff\xfe".as_slice(), &wide].concat();
    std::fs::write(site.dir.path().join("key"), wide).expect("a file");
    let output = site.run(&[], &list);
    assert!(
        stderr(&output).contains("key: is not UTF-8"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_address_of_a_server_is_checked() {
    let site = Site::new();
    for url in [
        "URL/?x=1",
        "URL#x",
        " URL",
        "URL/a b",
        "ftp://host",
        "host:8680",
        "http://",
        "http://u:secret@host",
        "",
    ] {
        let output = site.run(&[], &["state", "list", "--url", url, "--key-file", "KEY"]);
        assert_eq!(output.status.code(), Some(2), "{url}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("--url") && !stderr(&output).contains("secret@"),
            "{url}: {}",
            stderr(&output)
        );
        if url != "host:8680" {
            let output = site.run(
                &[],
                &[
                    "serve",
                    "--listen",
                    "127.0.0.1:0",
                    "--data",
                    "data",
                    "--base-url",
                    url,
                ],
            );
            assert_eq!(output.status.code(), Some(2), "{url}: {}", stderr(&output));
        }
    }
    assert_eq!(
        site.run(
            &[],
            &["state", "list", "--url", "URL/", "--key-file", "KEY"]
        )
        .status
        .code(),
        Some(0)
    );
}
