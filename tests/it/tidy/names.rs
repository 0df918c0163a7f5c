//! One name for one thing: types that several files use have names of their own, and private words
//! that were given up for the field's do not come back.

use super::matching::{File, identifier, is_part_of_a_word, is_rust};
use super::open::Open;

/// Words that were given up, each with the field's word. `settl-` is any part of a name that begins
/// so (`unsettled` does not), `lease` any whole part, and `=look` a whole name as it is written.
const WORDS: [(&str, &str); 27] = [
    ("=append_aside", "append_rejected"),
    ("blame", "record_failure"),
    ("=Borrowed", "OverrideFile"),
    ("=Decoded", "LeasedBytes"),
    ("=DIFFERENCE", "DELTA"),
    ("=empty_log", "truncate_wal"),
    ("forgiv-", "clear_stale_mark"),
    ("=Goes", "BackendTarget"),
    ("hot", "decoded cache"),
    ("journal", "WAL"),
    ("knocker-", "FailureKey"),
    ("lean", "delta base"),
    ("lease", "Reservation"),
    ("=Left", "Gone"),
    ("lend", "reserve"),
    ("=look", "read_inline"),
    ("=note_echo", "flag_repeated_bytes"),
    ("=Patience", "WhenFull"),
    ("=Place", "AddressInfo"),
    ("=Presence", "Visibility"),
    ("rehears-", "preview"),
    ("restless", "too_many_conflicts"),
    ("=Rewrite", "Vacuum"),
    ("settl-", "compact"),
    ("sought", "recreated"),
    ("=spot", "address_info"),
    ("=WHOLE", "FULL"),
];

/// Where a word may stand all the same, and why.
const EXCEPTIONS: [(&str, &str, &str); 10] = [
    ("=Borrowed", "src/diff/", "`Cow::Borrowed`"),
    ("=Borrowed", "src/store/", "`ToSqlOutput::Borrowed`"),
    ("=Borrowed", "src/cli/import/names.rs", "`Cow::Borrowed`"),
    (
        "=Left",
        "src/cli/",
        "how a move ends, and not a state that is gone",
    ),
    (
        "=Place",
        "src/cli/",
        "a place on the disk, and not an address",
    ),
    ("=look", "src/cli/", "looks at files, and not at the store"),
    (
        "=look",
        "src/diff/",
        "looks at states, and not at the store",
    ),
    (
        "=look",
        "src/hcl/",
        "looks at sources, and not at the store",
    ),
    (
        "=look",
        "src/http/",
        "looks at a body, and not at the store",
    ),
    (
        "=spot",
        "src/diff/",
        "a spot within a value, and not an address",
    ),
];

/// The name of a type that is not private to its file stands once in the crate.
pub(super) fn types(tree: &[File], open: &Open) -> Vec<String> {
    let files = tree
        .iter()
        .filter(|file| file.is_in(&["src/"]) && is_rust(&file.path));
    let mut known: Vec<(&str, &str)> = Vec::new();
    let mut findings = Vec::new();
    for file in files {
        for (at, name) in shared_types(&file.shipped) {
            match known.iter().find(|(other, _)| *other == name) {
                Some((_, first)) if !open.types.contains(&name) => {
                    let rule = format!("`{name}` is a type of {first} too: say which one it is");
                    findings.push(file.finding(at, &rule));
                }
                _ => known.push((name, &file.path)),
            }
        }
    }
    findings
}

/// Types that other files can use: `pub`, in whatever way, and at the first level.
fn shared_types(code: &str) -> Vec<(usize, &str)> {
    let mut offset = 0;
    let mut types = Vec::new();
    for line in code.split_inclusive('\n') {
        let after = line
            .strip_prefix("pub")
            .and_then(|rest| match rest.strip_prefix('(') {
                Some(within) => within.split_once(") ").map(|(_, after)| after),
                None => rest.strip_prefix(' '),
            });
        let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
        let name = after.and_then(|rest| kinds.iter().find_map(|kind| rest.strip_prefix(kind)));
        types.extend(name.map(|name| (offset, identifier(name))));
        offset += line.len();
    }
    types
}

/// The words of the field.
pub(super) fn words(file: &File, open: &Open) -> Vec<String> {
    if !file.is_in(&["src/"]) || !is_rust(&file.path) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (at, name) in names(&file.shipped) {
        let given_up = WORDS.iter().find(|(word, _)| is_word(name, word));
        let Some((word, now)) = given_up.filter(|(word, _)| !open.words.contains(word)) else {
            continue;
        };
        let excepted =
            |(other, path, _): &&(&str, &str, &str)| other == word && file.is_in(&[path]);
        if EXCEPTIONS.iter().find(excepted).is_none() {
            let rule = format!("`{name}`: the field's word is `{now}`");
            findings.push(file.finding(at, &rule));
        }
    }
    findings
}

/// Each name in the code, and where it stands.
fn names(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let starts = code.char_indices().scan(false, |inside, (at, char)| {
        let is_start = is_part_of_a_word(char) && !*inside;
        *inside = is_part_of_a_word(char);
        Some(is_start.then_some(at))
    });
    starts.flatten().map(|at| (at, identifier(&code[at..])))
}

/// Whether a name is a word that was given up, or has one as a part.
fn is_word(name: &str, word: &str) -> bool {
    if let Some(whole) = word.strip_prefix('=') {
        return name == whole;
    }
    let is_it = |part: &String| match word.strip_suffix('-') {
        Some(stem) => part.starts_with(stem),
        None => part == word,
    };
    parts(name).iter().any(is_it)
}

/// `SettledRows` and `settled_rows` have the parts `settled` and `rows`.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_small = false;
    for char in name.chars() {
        if char == '_' || (char.is_uppercase() && was_small) {
            parts.push(String::new());
        }
        was_small = char.is_lowercase();
        let small = char.to_lowercase().filter(|char| *char != '_');
        parts.last_mut().expect("at least one").extend(small);
    }
    parts
}
