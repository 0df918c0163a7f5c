//! Pipes where `run` reads a file: they are refused, and hold nobody up for good.

use super::*;
use crate::harness::pipe_at;

/// The command is refused because of a pipe, and ends by itself.
#[track_caller]
fn ends(site: &Site, mut command: Command, place: &str) {
    let mut child = command.spawn().expect("it runs");
    let has_ended = |child: &mut std::process::Child| child.try_wait().expect("ours").is_some();
    let end = std::time::Instant::now() + crate::harness::PATIENCE;
    while !has_ended(&mut child) && std::time::Instant::now() < end {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(
        has_ended(&mut child) || child.kill().is_err(),
        "{place}: it waits for the pipe"
    );
    let output = child.wait_with_output().expect("it ran");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{place}: {said}");
    assert!(said.contains("not a regular file"), "{place}: {said}");
    assert!(said.contains("was not run"), "{place}: {said}");
    assert!(site.calls().is_empty(), "{place}: {:?}", site.calls());
}

#[test]
fn a_pipe_where_a_file_is_read_holds_nobody_up() {
    for place in ["terraform.tfstate", "environment"] {
        let site = Site::new();
        std::fs::create_dir(site.path(".terraform")).expect("a folder");
        pipe_at(&site.path(".terraform").join(place));
        ends(&site, site.apply(), place);
    }
    let site = Site::new();
    site.write("main.tf", "terraform {\n  backend \"http\" {}\n}\n");
    pipe_at(&site.path("settings"));
    let terraform = site.terraform();
    let words = [terraform.as_str(), "init", "-backend-config=settings"];
    ends(&site, site.command(&[], &words), "settings");
}
