//! No example without a word about it: each file is named by the README beside it or above it.

use std::path::Path;

use super::{folder, text};

#[test]
fn every_example_is_named_by_a_readme() {
    let front = text("README.md");
    let mut rooms = 0;
    for room in folder().read_dir().expect("the folder").flatten() {
        let name = room.file_name().into_string().expect("UTF-8");
        if !room.path().is_dir() {
            assert_eq!(name, "README.md", "an example belongs into a folder");
            continue;
        }
        rooms += 1;
        let link = format!("]({name}/README.md)");
        assert!(front.contains(&link), "README.md does not name {name}/");
        let page = text(&format!("{name}/README.md"));
        for file in files(&room.path(), "")
            .iter()
            .filter(|file| *file != "README.md")
        {
            assert!(
                page.contains(&format!("]({file})")),
                "{name}/README.md does not name {file}"
            );
        }
    }
    assert_eq!(rooms, 5, "the folder was not found");
}

/// Every file below a directory, by its path from there.
fn files(dir: &Path, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in dir.read_dir().expect("a directory").flatten() {
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            found.extend(files(&entry.path(), &format!("{path}/")));
        } else {
            found.push(path);
        }
    }
    found
}
