//! How a run ends: with the command's exit code, and with nothing left behind; what a killed one
//! leaves is recognised.

use super::*;

#[test]
fn the_exit_code_is_the_commands() {
    let site = Site::new();
    for (end, code) in [
        ("exit 2\n", 2),
        ("exit 255\n", 255),
        ("kill -TERM $$\n", 143),
        ("kill -KILL $$\n", 137),
    ] {
        site.script(end);
        let output = site.apply().output().expect("it runs");
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert_eq!(
            stderr(&output).contains("signal"),
            code > 128 && code < 255,
            "{}",
            stderr(&output)
        );
        site.expect_nothing_left();
    }
}

#[test]
fn a_program_that_cannot_be_started() {
    let site = Site::new();
    site.refused(
        &mut site.command(&[], &["no-such-terraform", "apply"]),
        127,
        "no-such-terraform: there is no such program",
    );
    site.refused(
        &mut site.command(&[], &["/no/such/terraform", "apply"]),
        127,
        "there is no such program",
    );
    std::fs::write(site.tool("plain"), "echo no").expect("a file");
    let plain = site.tool("plain").to_str().expect("UTF-8").to_owned();
    site.refused(
        &mut site.command(&[], &[&plain, "apply"]),
        126,
        "cannot be executed",
    );
    site.refused(
        &mut site.command(&[], &[&plain, "version"]),
        126,
        "cannot be executed",
    );
    site.expect_nothing_left();
}

#[test]
fn where_init_fails_the_command_is_not_run() {
    let site = Site::new();
    std::fs::write(site.tool("init-fails"), "").expect("a file");
    site.refused(&mut site.apply(), 1, "init` failed (exit status: 3)");
    assert_eq!(site.calls(), ["init -input=false"]);
    site.expect_nothing_left();
}

#[test]
fn a_key_that_interrupts_init_is_told_as_a_signal() {
    let site = Site::new();
    std::fs::write(site.tool("init-is-interrupted"), "").expect("a file");
    site.refused(&mut site.apply(), 130, "signal 2 came before");
    assert_eq!(site.calls(), ["init -input=false"]);
    site.expect_nothing_left();
}

#[test]
fn wrong_usage_is_2() {
    let site = Site::new();
    for args in [
        &["run"][..],
        &[
            "run",
            "--workspace",
            "team",
            "--building-block",
            "net",
            "--key-file",
            "x",
            "--",
        ],
    ] {
        assert_eq!(
            statekeep(args).output().expect("it runs").status.code(),
            Some(2),
            "{args:?}"
        );
    }
    site.refused(site.apply().env("TF_CLI_ARGS", "'open"), 2, "TF_CLI_ARGS");
    site.program("deploy.sh", SCRIPT);
    site.refused(
        &mut site.command(&[], &[site.tool("deploy.sh").to_str().expect("UTF-8")]),
        2,
        "has no subcommand",
    );
    site.refused(
        &mut site.command(&[], &[&site.terraform(), "-chdir", "sub", "apply"]),
        2,
        "-chdir=DIR",
    );
}

impl Site {
    /// A run that is killed while its command goes on, and then the command as well.
    fn killed_run(&self) {
        self.close("command");
        let mut run = self.apply().spawn().expect("it runs");
        self.reached("command");
        let child = only_child(run.id());
        run.kill().expect("ours");
        run.wait().expect("ours");
        assert!(
            is_there(Path::new(&format!("/proc/{child}"))),
            "the command goes on"
        );
        assert!(self.path(FILE).exists(), "nobody could remove it");
        self.token().read(STATE).expect_problem(404, "no_state");
        self.open("command");
        eventually("the command ends", || !kill("0", child));
    }
}

#[test]
fn what_a_killed_run_left_is_recognised() {
    let site = Site::new();
    site.killed_run();
    let output = site.ok(&mut site.command(&[], &[&site.terraform(), "apply"]));
    assert!(output.stdout.is_empty());
    assert!(!site.path(FILE).exists());

    site.killed_run();
    let file = std::fs::read_to_string(site.path(FILE)).expect("left");
    site.write(FILE, &file.replace("/net", "/other"));
    site.ok(&mut site.apply());
    assert!(
        site.seen("file")
            .expect("there")
            .contains("/buildingblock/net\""),
        "replaced by its own"
    );
    assert!(!site.path(FILE).exists());

    site.killed_run();
    site.write("main.tf", BACKEND);
    site.ok(&mut site.command(&["--transfer", "never"], &[&site.terraform(), "apply"]));
    assert!(!site.path(FILE).exists(), "it would be a second backend");

    site.write("main.tf", "").killed_run();
    let changed = format!(
        "{}# more\n",
        std::fs::read_to_string(site.path(FILE)).expect("left")
    );
    site.write(FILE, &changed);
    let output = site.apply().output().expect("it runs");
    assert!(
        site.path(FILE).exists(),
        "what somebody changed is theirs: {}",
        stderr(&output)
    );
}

/// What a kill between two steps of writing leaves: nothing in the file yet, or the text under
/// another name.
#[test]
fn what_was_cut_off_is_swept() {
    let site = Site::new();
    let beside = [
        ".statekeep_backend.tf.17",
        ".statekeep_transfer_override.tf.0123456789abcdef0123456789abcdef",
    ];
    for name in [&beside[..], &[FILE, "statekeep_transfer_override.tf"]].concat() {
        site.write(name, "");
    }
    site.write(".statekeep_backend.tf.mine", "kept");
    site.ok(&mut site.apply());
    let left: Vec<_> = std::fs::read_dir(site.path(""))
        .expect("a folder")
        .map(|entry| entry.expect("listed").file_name())
        .collect();
    assert!(
        left.iter()
            .all(|name| name == "main.tf" || name == ".statekeep_backend.tf.mine"),
        "{left:?}"
    );
    assert!(
        site.seen("file")
            .expect("it was there")
            .contains("lock_method    = \"LOCK\"")
    );
    site.write(FILE, "").write("main.tf", BACKEND);
    site.ok(&mut site.command(&["--transfer", "never"], &[&site.terraform(), "apply"]));
    assert!(
        !site.path(FILE).exists(),
        "it is empty, and in the way of nothing, but ours"
    );
}

#[test]
fn configure_knows_what_a_run_left() {
    let site = Site::new();
    let module = site.path("").to_str().expect("UTF-8").to_owned();
    let configure = |args: &[&str]| {
        statekeep(&[&["configure", &module], args].concat())
            .output()
            .expect("it runs")
    };
    let other = [
        "--workspace",
        "team",
        "--building-block",
        "other",
        "--url",
        site.server.url(),
    ];
    site.killed_run();
    assert!(configure(&["--remove", "--check"]).status.success() && site.path(FILE).exists());
    assert!(configure(&["--remove"]).status.success() && !site.path(FILE).exists());
    site.killed_run();
    let written = configure(&other);
    assert!(written.status.success(), "{}", stderr(&written));
    let file = std::fs::read_to_string(site.path(FILE)).expect("there");
    assert!(
        file.starts_with("# Written by `statekeep configure`")
            && file.contains("/buildingblock/other\""),
        "{file}"
    );
    assert!(configure(&["--remove"]).status.success());

    site.close("command");
    let run = site.apply().spawn().expect("it runs");
    site.reached("command");
    for args in [&other[..], &["--remove"]] {
        let refused = configure(args);
        assert_eq!(refused.status.code(), Some(1), "{args:?}");
        assert!(
            stderr(&refused).contains("another `statekeep run`") && site.path(FILE).exists(),
            "{}",
            stderr(&refused)
        );
    }
    site.open("command");
    assert!(run.wait_with_output().expect("it ends").status.success());
    site.expect_ended();
}

impl Site {
    #[track_caller]
    fn expect_ended(&self) {
        assert!(!self.path(FILE).exists());
        self.token().read(STATE).expect_status(401);
    }
}

#[test]
fn a_file_that_was_changed_meanwhile_is_left_and_told_of() {
    let site = Site::new();
    site.script("echo '# mine' >>statekeep_backend.tf\n");
    let output = site.ok(&mut site.apply());
    assert!(
        stderr(&output).contains("was not removed: it was changed"),
        "{}",
        stderr(&output)
    );
    assert!(
        std::fs::read_to_string(site.path(FILE))
            .expect("left")
            .ends_with("# mine\n")
    );
}

#[test]
fn it_is_told_by_the_exit_code_whatever_else_is_lost() {
    let site = Site::new();
    site.record(&site.server.state(STATE));
    site.script("kill -TERM $$\n");
    let mut run = site.apply().spawn().expect("it runs");
    drop(run.stderr.take());
    assert_eq!(
        run.wait().expect("it ends").code(),
        Some(143),
        "nobody listens any more"
    );
    site.script("exit 6\n");
    let command = site.apply();
    let mut ignoring = Command::new("env");
    ignoring
        .arg("--ignore-signal=CHLD")
        .arg(command.get_program())
        .args(command.get_args());
    let status = ignoring
        .env("STATEKEEP_URL", site.server.url())
        .env_remove("TF_WORKSPACE")
        .status()
        .expect("it runs");
    assert_eq!(
        status.code(),
        Some(6),
        "the kernel would have thrown it away"
    );
    site.expect_nothing_left();
}
