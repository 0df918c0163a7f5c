//! `statekeep configure`: when it writes, what it writes, and what it never touches.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::stderr;
use crate::harness::statekeep;

const FILE: &str = "statekeep_backend.tf";
const STATE: [&str; 4] = ["--workspace", "team", "--building-block", "net"];
const ADDRESS: &str = "http://127.0.0.1:8680/api/terraform/state/workspace/team/buildingblock/net";

struct Module(TempDir);

impl Module {
    fn of(files: &[(&str, &str)]) -> Self {
        let dir = TempDir::new().expect("a directory");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        Self(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self) -> Option<String> {
        std::fs::read_to_string(self.path(FILE)).ok()
    }

    fn run(&self, args: &[&str]) -> Output {
        statekeep(&[&["configure"], args].concat())
            .current_dir(self.0.path())
            .output()
            .expect("it runs")
    }

    /// For the usual state; what it prints.
    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        let output = self.run(&[&STATE, args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    #[track_caller]
    fn refused(&self, args: &[&str], code: i32, why: &str) {
        let before = self.file();
        let output = self.run(&[&STATE, args].concat());
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
        assert!(
            output.stdout.is_empty() && self.file() == before,
            "nothing is done"
        );
    }
}

#[test]
fn it_writes_three_addresses_and_their_methods_once_and_takes_them_away() {
    let module = Module::of(&[("main.tf", "")]);
    assert!(module.ok(&["--check"]).contains("would be written"));
    assert_eq!(module.file(), None);
    assert_eq!(
        module.ok(&[]),
        format!("{FILE} was written for {ADDRESS}\n")
    );
    let text = module.file().expect("written");
    assert!(
        text.starts_with("# Written by `statekeep configure`"),
        "{text}"
    );
    for member in ["address        ", "lock_address   ", "unlock_address "] {
        assert!(
            text.contains(&format!("    {member}= \"{ADDRESS}\"\n")),
            "{text}"
        );
    }
    for member in [
        "lock_method    = \"LOCK\"",
        "unlock_method  = \"UNLOCK\"",
        "update_method  = \"POST\"",
    ] {
        assert!(
            text.contains(&format!("    {member}\n")),
            "no variable may change it: {text}"
        );
    }
    assert!(!text.contains("password") && !text.contains("username"));
    let mode = module
        .path(FILE)
        .metadata()
        .expect("written")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let written = module
        .path(FILE)
        .metadata()
        .expect("written")
        .modified()
        .expect("a time");
    assert!(module.ok(&[]).contains("nothing was done"));
    assert_eq!(
        module
            .path(FILE)
            .metadata()
            .expect("written")
            .modified()
            .expect("a time"),
        written
    );
    assert!(module.run(&["--remove", "--check"]).status.success() && module.file().is_some());
    assert!(module.run(&["--remove"]).status.success());
    assert_eq!(module.file(), None);
    assert!(
        module.run(&["--remove"]).status.success(),
        "a second time is fine"
    );
}

#[test]
fn the_file_of_another_state_is_replaced_only_when_told() {
    let module = Module::of(&[("main.tf", "")]);
    module.ok(&[]);
    let there = ["--base-url", "https://states.example:8443/sub/"];
    module.refused(&there, 1, "--replace");
    module.refused(&[&there[..], &["--remove"]].concat(), 1, "another state");
    assert!(
        module
            .ok(&[&there[..], &["--replace", "--check"]].concat())
            .contains("would be replaced")
    );
    assert!(module.file().expect("there").contains("127.0.0.1"));
    module.ok(&[&there[..], &["--replace"]].concat());
    assert!(module.file().expect("there").contains(
        "https://states.example:8443/sub/api/terraform/state/workspace/team/buildingblock/net"
    ));
    assert_eq!(
        std::fs::read_dir(module.0.path())
            .expect("a directory")
            .count(),
        2,
        "nothing else is left"
    );
}

/// As version 0.1.0 wrote it, for the usual state.
fn written_by_0_1_0() -> String {
    format!(
        "# Written by `statekeep configure`, which recognises it as long as nobody changes it. \
            `statekeep configure --remove` removes it.\n\
         terraform {{\n  backend \"http\" {{\n    address        = \
         \"{ADDRESS}\"\n    lock_address   = \"{ADDRESS}\"\n    \
         unlock_address = \"{ADDRESS}\"\n  }}\n}}\n"
    )
}

#[test]
fn what_an_earlier_version_wrote_is_known() {
    let module = Module::of(&[("main.tf", ""), (FILE, &written_by_0_1_0())]);
    assert!(module.ok(&[]).contains("--replace pins them"));
    assert_eq!(
        json_of(&module.ok(&["--format", "json"]))["result"],
        "unchanged"
    );
    assert_eq!(module.file(), Some(written_by_0_1_0()));
    assert_eq!(
        json_of(&module.ok(&["--replace", "--format", "json"]))["result"],
        "replaced"
    );
    assert!(module.file().expect("there").contains("lock_method"));
    let module = Module::of(&[("main.tf", ""), (FILE, &written_by_0_1_0())]);
    assert!(module.ok(&["--remove"]).contains("removed") && module.file().is_none());
    let changed = Module::of(&[(
        FILE,
        &written_by_0_1_0().replace("  }\n}", "    lock_method    = \"PUT\"\n  }\n}"),
    )]);
    changed.refused(&["--remove"], 1, "not as `statekeep configure` wrote it");
}

#[test]
fn an_empty_file_was_cut_off() {
    let module = Module::of(&[("main.tf", ""), (FILE, "")]);
    assert!(module.ok(&[]).contains("was replaced"));
    assert!(module.file().expect("there").contains(ADDRESS));
    let module = Module::of(&[("main.tf", ""), (FILE, "")]);
    assert!(module.ok(&["--remove"]).contains("removed") && module.file().is_none());
    let module = Module::of(&[
        (FILE, ""),
        ("main.tf", "terraform {\n  backend \"s3\" {}\n}\n"),
    ]);
    assert!(
        module
            .ok(&[])
            .contains("configures `backend \"s3\"` itself"),
        "it is in the way of nothing"
    );
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn what_it_did_not_write_it_leaves_alone() {
    let theirs = Module::of(&[(FILE, "# mine\n")]);
    theirs.refused(&[], 1, "not as `statekeep configure` wrote it");
    theirs.refused(&["--replace"], 1, "not as");
    theirs.refused(&["--remove"], 1, "not as");
    let changed = Module::of(&[("main.tf", "")]);
    changed.ok(&[]);
    let text = changed
        .file()
        .expect("written")
        .replace("  }\n}", "    skip_cert_verification = true\n  }\n}");
    std::fs::write(changed.path(FILE), text).expect("changed");
    changed.refused(&["--remove"], 1, "not as");
    let linked = Module::of(&[("target", "")]);
    std::os::unix::fs::symlink("target", linked.path(FILE)).expect("a link");
    linked.refused(&[], 1, "not as");
    linked.refused(&["--remove"], 1, "not as");
    assert_eq!(
        std::fs::read_to_string(linked.path("target")).expect("there"),
        ""
    );
    let dangling = Module::of(&[]);
    std::os::unix::fs::symlink("target", dangling.path(FILE)).expect("a link");
    dangling.refused(&[], 1, "undecided");
    assert!(!dangling.path("target").exists());
}

#[test]
fn where_a_backend_is_configured_it_writes_nothing_and_says_so() {
    let other = Module::of(&[("main.tf", "terraform {\n  backend \"s3\" {}\n}\n")]);
    assert!(
        other
            .ok(&[])
            .contains("main.tf:2 configures `backend \"s3\"` itself")
    );
    assert_eq!(other.file(), None);
    let result = |module: &Module| {
        serde_json::from_str::<Value>(&module.ok(&["--format", "json"])).expect("JSON")["result"]
            .clone()
    };
    assert_eq!(result(&other), json!("configured"));
    let points_at = |address: &str| {
        let text =
            format!("terraform {{\n  backend \"http\" {{\n    address = \"{address}\"\n  }}\n}}\n");
        result(&Module::of(&[("main.tf", &text)]))
    };
    assert_eq!(points_at(ADDRESS), json!("ours"));
    assert_eq!(
        points_at(&ADDRESS.replace("buildingblock", "buildingBlock")),
        json!("ours")
    );
    assert_eq!(
        points_at(&ADDRESS.replace("net", "two")),
        json!("configured")
    );
    assert_eq!(
        points_at(&ADDRESS.replace("8680", "8681")),
        json!("configured")
    );
    assert_eq!(points_at("${var.address}"), json!("configured"));
    let late = Module::of(&[("main.tf", "")]);
    late.ok(&[]);
    std::fs::write(late.path("main.tf"), "terraform {\n  cloud {}\n}\n").expect("a file");
    late.refused(&[], 1, "--remove");
}

#[test]
fn what_cannot_be_judged_is_refused() {
    Module::of(&[("main.tf", "}")]).refused(&[], 1, "main.tf:1: undecided");
    let json = Module::of(&[("main.tf.json", r#"{"terraform": {"backend": {"s3": {}}}}"#)]);
    json.refused(&[], 1, "--include-json");
    assert!(json.ok(&["--include-json"]).contains("configures"));
    assert!(json.ok(&["--ignore-json"]).contains("was written"));
    let hidden = Module::of(&[("statekeep_backend.tofu", "")]);
    hidden.refused(&[], 1, "would hide");
    let read_only = Module::of(&[("main.tf", "")]);
    std::fs::set_permissions(read_only.0.path(), std::fs::Permissions::from_mode(0o500))
        .expect("permissions");
    if std::fs::write(read_only.path("probe"), "").is_err() {
        read_only.refused(&[], 1, FILE);
    }
}

/// Runs it with a variable, and says what it wrote for.
fn written_with(module: &Module, args: &[&str], variable: Option<&str>) -> (Option<i32>, bool) {
    let mut command = statekeep(&[&["configure"], args].concat());
    command.current_dir(module.0.path());
    if let Some(state) = variable {
        command.env("STATEKEEP_STATE", state);
    }
    let output = command.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    (
        output.status.code(),
        text.contains(&format!("for {ADDRESS}\n")),
    )
}

#[test]
fn the_state_is_named_in_one_word_or_by_a_variable() {
    let done = (Some(0), true);
    for (args, variable) in [
        (&["team/net"][..], None),
        (&["team/net", "."], None),
        (&["team/net", "."], Some("other/one")),
        (&[], Some("team/net")),
        (&["."], Some("team/net")),
        (&["team/net"], Some("other/one")),
    ] {
        let module = Module::of(&[("main.tf", "")]);
        assert_eq!(written_with(&module, args, variable), done, "{args:?}");
    }
    let module = Module::of(&[("main.tf", "")]);
    std::fs::create_dir_all(module.path("team/net")).expect("directories");
    std::fs::write(module.path("team/net/main.tf"), "").expect("a file");
    // The word may mean both, so it means neither.
    assert_eq!(written_with(&module, &["team/net"], None), (Some(2), false));
    let both = written_with(&module, &["team/net", "team/net"], None);
    assert_eq!(both, done);
    assert!(module.path("team/net").join(FILE).exists() && module.file().is_none());
    for (args, variable) in [
        (&["team"][..], None),
        (&["team/net/x"], None),
        (
            &[
                "team/net",
                ".",
                "--workspace",
                "team",
                "--building-block",
                "net",
            ],
            None,
        ),
        (&[], Some("nonsense")),
    ] {
        let refused = written_with(&module, args, variable);
        assert_eq!(refused, (Some(2), false), "{args:?}");
    }
}

#[test]
fn wrong_usage_is_2_and_secrets_are_not_repeated() {
    let module = Module::of(&[("main.tf", "")]);
    for args in [
        &["--workspace", "team"][..],
        &["--building-block", "net"],
        &[],
        &["--workspace", "../x", "--building-block", "net"],
    ] {
        assert_eq!(module.run(args).status.code(), Some(2), "{args:?}");
    }
    for url in [
        "http://x:hunter2@host/",
        "ftp://host",
        "host:8680",
        "http://host/?a=b",
        "http://host/#a",
        "http://",
    ] {
        module.refused(&["--base-url", url], 2, "--base-url");
        assert!(
            !stderr(&module.run(&[&STATE[..], &["--base-url", url]].concat())).contains("hunter2")
        );
    }
    module.refused(&["no/such/directory"], 2, "no such directory");
    assert!(!Path::new("no").exists());
    let environment = statekeep(&[&["configure"], &STATE[..]].concat())
        .current_dir(module.0.path())
        .env("STATEKEEP_URL", "https://far.example")
        .output();
    assert!(environment.expect("it runs").status.success());
    assert!(
        module
            .file()
            .expect("written")
            .contains("\"https://far.example/api/")
    );
}
