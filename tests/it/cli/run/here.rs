//! A module without a backend: the file, the token and `init` are there for the command, and only
//! for it.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use super::*;

#[test]
fn the_file_and_the_token_are_there_for_the_command_alone() {
    let site = Site::new();
    site.close("command");
    let mut command = site.apply();
    let run = command
        .env("TF_HTTP_ADDRESS", "http://elsewhere/")
        .env("TF_HTTP_LOCK_METHOD", "PUT")
        .spawn()
        .expect("it runs");
    site.reached("command");

    let file = site.seen("file").expect("a file");
    assert!(
        file.starts_with("# Written by `statekeep run`")
            && file.contains(&format!("\"{}\"", site.server.state(STATE))),
        "{file}"
    );
    assert_eq!(
        site.path(FILE)
            .metadata()
            .expect("there")
            .permissions()
            .mode()
            & 0o777,
        0o600
    );
    let token = site.token();
    token.read(STATE).expect_problem(404, "no_state");
    token.read("team/two").expect_status(403);
    assert!(!file.contains(token.secret()) && token.secret() != site.secret());
    let environment = site.seen("env").expect("it runs");
    assert!(
        !environment.contains("STATEKEEP_") && !environment.contains(&site.secret()),
        "{environment}"
    );
    assert_eq!(
        (
            site.variable("TF_HTTP_ADDRESS"),
            site.variable("TF_HTTP_LOCK_METHOD")
        ),
        (None, None)
    );
    let words = std::fs::read_to_string(format!("/proc/{}/cmdline", run.id())).expect("it runs");
    assert!(!words.contains(token.secret()) && !words.contains(&site.secret()));
    site.refused(&mut site.apply(), 1, "another `statekeep run`");

    site.open("command");
    let output = run.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout.is_empty(), "stdout is the command's alone");
    assert_eq!(
        stderr(&output),
        "statekeep: team/net has no state yet; this is a new one\n",
        "what init says is not shown"
    );
    site.expect_nothing_left();
    assert_eq!(site.server.admin().events("kind=login").len(), 1);
}

#[test]
fn what_the_shell_gave_the_command_has() {
    let site = Site::new();
    site.script("cat; pwd; echo words >&2; exit 7\n");
    let command = site.apply();
    let mut words = vec![
        "-c".to_owned(),
        "umask 027; echo typed | exec \"$@\"".to_owned(),
        "sh".to_owned(),
    ];
    words.push(command.get_program().to_string_lossy().into_owned());
    words.extend(
        command
            .get_args()
            .map(|word| word.to_string_lossy().into_owned()),
    );
    let mut shell = Command::new("sh");
    let own = std::env::vars_os().filter(|(name, _)| {
        ["STATEKEEP_", "TF_"]
            .iter()
            .any(|ours| name.to_string_lossy().starts_with(ours))
    });
    for (name, _) in own {
        shell.env_remove(name);
    }
    let output = shell
        .args(words)
        .env("STATEKEEP_DATA", "/nowhere")
        .env("STATEKEEP_URL", site.server.url())
        .output()
        .expect("it runs");
    let module = site.path("").canonicalize().expect("there");
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!("typed\n{}\n", module.display())
    );
    assert!(stderr(&output).contains("words"));
    assert_eq!(site.seen("umask").as_deref().map(str::trim), Some("0027"));
    assert_eq!(site.variable("STATEKEEP_DATA"), None);
}

#[test]
fn init_runs_where_it_is_needed() {
    let site = Site::new();
    let calls = |expected: &[&str]| {
        let _ = std::fs::remove_file(site.tool("calls"));
        site.ok(&mut site.apply());
        assert_eq!(site.calls(), expected);
    };
    calls(&["init -input=false", "apply"]);
    site.record(&site.server.state(STATE));
    calls(&["apply"]);
    site.record(&site.server.state("team/other"));
    site.refused(
        &mut site.apply(),
        1,
        "used with team/other; the nearest is team/other.",
    );
    let _ = std::fs::remove_file(site.tool("calls"));
    site.ok(&mut site.command(&["--new"], &[&site.terraform(), "apply"]));
    assert_eq!(site.calls(), ["init -input=false -reconfigure", "apply"]);
    let ours = site.server.state(STATE);
    for other in [
        serde_json::json!({ "address": ours, "lock_address": ours, "unlock_address": ours }),
        serde_json::json!({
            "address": ours, "lock_method": "LOCK", "unlock_method": "UNLOCK",
            "update_method": "POST"
        }),
    ] {
        site.record_of(&other);
        calls(&["init -input=false -reconfigure", "apply"]);
    }
    let elsewhere = crate::cli::stub(|_| {
        "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".to_owned()
    });
    site.record(&format!(
        "{elsewhere}/api/terraform/state/workspace/team/buildingblock/net"
    ));
    calls(&[
        "state pull -no-color",
        "init -input=false -reconfigure",
        "apply",
    ]);
    let _ = std::fs::remove_file(site.tool("calls"));
    std::fs::remove_dir_all(site.path(".terraform")).expect("what is recorded");
    site.ok(&mut site.command(&[], &[&site.terraform(), "init", "-upgrade"]));
    assert_eq!(
        site.calls(),
        ["init -upgrade"],
        "the command does it itself"
    );
    site.expect_nothing_left();
}

#[test]
fn where_the_module_lies_is_found_as_the_program_finds_it() {
    let site = Site::new();
    site.write("sub/main.tf", "").write("sub/data/probe", "");
    site.program(
        "terraform",
        &format!(
            "{}exit 0\n",
            SCRIPT.replace("\"$1\"", "\"$2\"").replace("cp ", "cp sub/")
        ),
    );
    site.ok(site
        .command(&[], &[&site.terraform(), "-chdir=sub", "apply"])
        .env("TF_DATA_DIR", "data"));
    assert_eq!(
        site.calls(),
        ["-chdir=sub init -input=false", "-chdir=sub apply"]
    );
    assert!(site.seen("file").is_some(), "it was in the module");
    assert!(!site.path("sub").join(FILE).exists() && !site.path(FILE).exists());
    site.record(&site.server.state(STATE));
    std::fs::rename(
        site.path(".terraform/terraform.tfstate"),
        site.path("sub/data/terraform.tfstate"),
    )
    .expect("moved");
    let _ = std::fs::remove_file(site.tool("calls"));
    site.ok(site
        .command(&[], &[&site.terraform(), "-chdir=sub", "apply"])
        .env("TF_DATA_DIR", "data"));
    assert_eq!(
        site.calls(),
        ["-chdir=sub apply"],
        "what is recorded there counts"
    );
    site.refused(
        &mut site.command(&[], &[&site.terraform(), "-chdir=nowhere", "apply"]),
        2,
        "no such directory",
    );
}

#[test]
fn workspaces_and_settings_that_lead_elsewhere_are_refused() {
    let site = Site::new();
    site.refused(site.apply().env("TF_WORKSPACE", "blue"), 1, "no workspaces");
    site.ok(site.apply().env("TF_WORKSPACE", "default"));
    site.write(".terraform/environment", "blue");
    site.refused(&mut site.apply(), 1, "the workspace `blue`");
    std::fs::remove_file(site.path(".terraform/environment")).expect("there");
    site.refused(
        site.apply().env(
            "TF_CLI_ARGS_init",
            "-backend-config=address=http://elsewhere",
        ),
        1,
        "-backend-config",
    );
    site.refused(
        site.apply().env("TF_CLI_ARGS", "-backend=false"),
        1,
        "-backend ",
    );
    site.refused(
        &mut site.command(
            &[],
            &[&site.terraform(), "init", "-backend-config", "x.hcl"],
        ),
        1,
        "-backend-config",
    );
    site.record("http://elsewhere/");
    site.refused(
        &mut site.command(&[], &[&site.terraform(), "init", "-migrate-state"]),
        1,
        "copied over",
    );
    assert!(site.server.admin().events("kind=token.extend").is_empty());
    site.expect_nothing_left();
}

#[test]
fn what_cannot_be_judged_is_not_run() {
    let site = Site::new();
    site.write("main.tf", "}")
        .refused(&mut site.apply(), 1, "main.tf:1: undecided");
    site.write("main.tf", "").write(
        "more.tf.json",
        r#"{"terraform": {"backend": {"local": {}}}}"#,
    );
    site.refused(&mut site.apply(), 1, "--include-json");
    site.ok(&mut site.command(&["--ignore-json"], &[&site.terraform(), "apply"]));
    assert!(site.seen("file").is_some());
    let elsewhere = site.ok(&mut site.command(&["--include-json"], &[&site.terraform(), "apply"]));
    assert!(
        stderr(&elsewhere).contains("more.tf.json:1 configures `backend \"local\"`"),
        "{}",
        stderr(&elsewhere)
    );
    std::fs::remove_file(site.path("more.tf.json")).expect("there");
    site.write("x.tofu", BACKEND).ok(&mut site.apply());
    assert!(site.seen("file").is_some(), "terraform does not know .tofu");
    let elsewhere =
        site.ok(&mut site.command(&["--program", "tofu"], &[&site.terraform(), "apply"]));
    assert!(
        stderr(&elsewhere).contains("x.tofu:2 configures"),
        "{}",
        stderr(&elsewhere)
    );
}

#[test]
fn the_folder_has_to_take_the_file() {
    let site = Site::new();
    site.write(FILE, "# mine\n")
        .refused(&mut site.apply(), 1, "left alone");
    assert_eq!(
        std::fs::read_to_string(site.path(FILE)).expect("there"),
        "# mine\n"
    );
    std::fs::remove_file(site.path(FILE)).expect("there");
    std::os::unix::fs::symlink("target", site.path(FILE)).expect("a link");
    site.refused(&mut site.apply(), 1, "undecided");
    assert!(!is_there(&site.path("target")));
    std::fs::remove_file(site.path(FILE)).expect("there");
    site.write("statekeep_backend.tofu", "")
        .refused(&mut site.apply(), 1, "would hide");
    std::fs::remove_file(site.path("statekeep_backend.tofu")).expect("there");
    std::fs::set_permissions(site.path(""), std::fs::Permissions::from_mode(0o555))
        .expect("permissions");
    if std::fs::write(site.path("probe"), "").is_err() {
        site.refused(&mut site.apply(), 1, "make the folder writable");
    }
    std::fs::set_permissions(site.path(""), std::fs::Permissions::from_mode(0o755))
        .expect("permissions");
    site.expect_nothing_left();
}
