//! A folder without a file that the program would load: a generated one would be all that is
//! wanted, and an apply would destroy everything.

use super::*;

/// A site whose module has these files and no others.
fn site_of(files: &[(&str, &str)]) -> Site {
    let site = Site::new();
    std::fs::remove_file(site.path("main.tf")).expect("the file");
    for (name, text) in files {
        site.write(name, text);
    }
    site
}

/// Whether a command line of a program is run.
#[track_caller]
fn goes_on(site: &Site, program: &str, words: &[&str]) -> bool {
    site.program(program, SCRIPT);
    let _ = std::fs::remove_file(site.tool("calls"));
    let program = site.tool(program);
    let output = site
        .command(&[], &[&[program.to_str().expect("UTF-8")], words].concat())
        .output()
        .expect("it runs");
    let (said, ran) = (stderr(&output), site.calls().contains(&words.join(" ")));
    assert_eq!(output.status.code(), Some(i32::from(!ran)), "{said}");
    assert!(
        ran || (said.contains("holds no file that")
            && said.contains("was not run")
            && site.calls().is_empty()),
        "{said}"
    );
    assert!(!site.path(FILE).exists() && !site.path(".terraform").exists());
    ran
}

#[test]
fn what_a_program_would_not_load_is_nothing() {
    for (files, terraform, tofu) in [
        (&[][..], false, false),
        (&[("notes.txt", "x")], false, false),
        (&[("live/main.tf", "")], false, false),
        (&[("terragrunt.hcl", "")], false, false),
        (&[("main.tofu", "")], false, true),
        (&[("main.tofu.json", "{}")], false, true),
        (&[("override.tf", "")], false, false),
        (
            &[("x_override.tf", ""), ("override.tofu", "")],
            false,
            false,
        ),
        (
            &[
                (".main.tf", ""),
                ("main.tf~", ""),
                ("#main.tf#", ""),
                ("main.tf.bak", ""),
                ("x.tfvars", ""),
                ("x.tftest.hcl", ""),
            ],
            false,
            false,
        ),
        (&[("main.tf", "")], true, true),
        (&[("main.tf.json", "{}")], true, true),
        (&[("main.tofu", ""), ("main.tf", "")], true, true),
        (&[("main.tf", ""), ("override.tf", "")], true, true),
    ] {
        let site = site_of(files);
        for (program, expected) in [("terraform", terraform), ("tofu", tofu)] {
            site.program(program, SCRIPT);
            let words = [
                site.tool(program).to_str().expect("UTF-8").to_owned(),
                "apply".to_owned(),
            ];
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let _ = std::fs::remove_file(site.tool("calls"));
            let output = site
                .command(&["--include-json"], &words)
                .output()
                .expect("it runs");
            assert_eq!(
                output.status.success(),
                expected,
                "{files:?} {program}: {}",
                stderr(&output)
            );
            assert_eq!(
                site.calls().contains(&"apply".to_owned()),
                expected,
                "{files:?} {program}"
            );
            assert!(!site.path(FILE).exists());
        }
    }
}

#[test]
fn only_what_destroys_by_its_words_or_looks_at_what_is_stored_goes_on() {
    let site = site_of(&[("notes.txt", "nothing")]);
    for (words, expected) in [
        (&["apply"][..], false),
        (&["apply", "-auto-approve"], false),
        (&["apply", "-destroy=false"], false),
        (&["plan"], false),
        (&["plan", "-out=x"], false),
        (&["refresh"], false),
        (&["init"], false),
        (&["import", "a", "b"], false),
        (&["taint", "a"], false),
        (&["console"], false),
        (&["validate"], false),
        (&["destroy"], true),
        (&["apply", "-destroy", "-auto-approve"], true),
        (&["plan", "-destroy"], true),
        (&["state", "list"], true),
        (&["state", "rm", "a"], true),
        (&["output"], true),
        (&["show"], true),
        (&["force-unlock", "x"], true),
    ] {
        for program in ["terraform", "tofu"] {
            assert_eq!(
                goes_on(&site, program, words),
                expected,
                "{program} {words:?}"
            );
        }
    }
    let output = site
        .apply()
        .env("TF_CLI_ARGS_apply", "-destroy")
        .output()
        .expect("it runs");
    assert_eq!(
        output.status.code(),
        Some(0),
        "the variable says it as well: {}",
        stderr(&output)
    );
}

#[test]
fn the_folder_that_counts_is_the_one_that_the_program_changes_to() {
    let site = site_of(&[("live/main.tf", ""), ("empty/notes.txt", "")]);
    let terraform = site.terraform();
    site.refused(
        &mut site.command(&[], &[&terraform, "apply"]),
        1,
        "The module may be in ",
    );
    site.refused(
        &mut site.command(&[], &[&terraform, "-chdir=empty", "apply"]),
        1,
        "holds no file that terraform would load",
    );
    site.ok(&mut site.command(&[], &[&terraform, "-chdir=live", "apply"]));
    let key = site.dir.path().join("key");
    let mut command = statekeep(&[
        "run",
        "--workspace",
        "team",
        "--building-block",
        "net",
        "--url",
        site.server.url(),
        "--dir",
    ]);
    command
        .arg(site.path("empty"))
        .arg("--key-file")
        .arg(key)
        .args(["--", &terraform, "apply"]);
    site.refused(&mut command, 1, "holds no file that terraform would load");
}

#[test]
fn a_program_that_is_named_counts_and_not_its_files_name() {
    let site = site_of(&[("main.tofu", "")]);
    site.program("make", SCRIPT);
    let make = site.tool("make").to_str().expect("UTF-8").to_owned();
    site.refused(
        &mut site.command(&["--program", "terraform"], &[&make, "apply"]),
        1,
        "terraform would load",
    );
    site.ok(&mut site.command(&["--program", "tofu"], &[&make, "apply"]));
    site.refused(
        &mut site.command(&["--program", "terraform"], &[&site.terraform(), "apply"]),
        1,
        "holds no file",
    );
}

/// Whoever took the module's own files away left ours alone there.
#[test]
fn a_file_of_ours_is_none_of_the_modules_own() {
    let site = Site::new();
    let module = site.path("").to_str().expect("UTF-8").to_owned();
    let configure = |more: &[&str]| {
        let base = [
            "configure",
            &module,
            "--workspace",
            "team",
            "--building-block",
            "net",
            "--url",
            site.server.url(),
        ];
        statekeep(&[&base[..], more].concat())
            .output()
            .expect("it runs")
    };
    site.ok(&mut site.apply());
    let generated = site.seen("file").expect("the command saw one");
    assert!(configure(&[]).status.success());
    site.ok(&mut site.apply());
    std::fs::remove_file(site.path("main.tf")).expect("the file");
    let text = std::fs::read_to_string(site.path(FILE)).expect("written");
    site.refused(
        &mut site.apply(),
        1,
        "holds no file that terraform would load",
    );
    site.ok(&mut site.command(&[], &[&site.terraform(), "destroy"]));
    let output = configure(&[]);
    assert!(
        output.status.code() == Some(1) && stderr(&output).contains("holds no file"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        std::fs::read_to_string(site.path(FILE)).expect("still there"),
        text
    );
    assert!(configure(&["--remove"]).status.success() && !site.path(FILE).exists());
    // One that a killed run left.
    site.write(FILE, &generated);
    site.refused(
        &mut site.apply(),
        1,
        "holds no file that terraform would load",
    );
}

#[test]
fn configure_and_transfer_generate_nothing_there_either() {
    let site = site_of(&[("live/main.tf", "")]);
    let (module, key) = (
        site.path("").to_str().expect("UTF-8").to_owned(),
        site.dir.path().join("key"),
    );
    let base = [
        "--workspace",
        "team",
        "--building-block",
        "net",
        "--url",
        site.server.url(),
    ];
    let output = statekeep(&[&["configure", &module], &base[..]].concat())
        .output()
        .expect("it runs");
    assert!(
        output.status.code() == Some(1) && stderr(&output).contains("The module may be in "),
        "{}",
        stderr(&output)
    );
    site.write("terraform.tfstate", &crate::samples::tfstate("local", 1));
    let mut command = statekeep(&[&["transfer"], &base[..]].concat());
    let output = command
        .arg("--dir")
        .arg(site.path(""))
        .arg("--key-file")
        .arg(key)
        .args(["--", &site.terraform()])
        .output()
        .expect("it runs");
    assert!(
        output.status.code() == Some(1) && stderr(&output).contains("holds no file"),
        "{}",
        stderr(&output)
    );
    assert!(!site.path(FILE).exists() && site.path("terraform.tfstate").exists());
    site.server
        .admin()
        .read(STATE)
        .expect_problem(404, "no_state");
    let live = site.path("live").to_str().expect("UTF-8").to_owned();
    assert!(
        statekeep(&[&["configure", &live], &base[..]].concat())
            .output()
            .expect("it runs")
            .status
            .success(),
        "the control"
    );
}
