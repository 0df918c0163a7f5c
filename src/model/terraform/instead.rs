//! What bytes are that were taken for a state and are none: the files, answers and outputs that
//! people mistake for one, and how they get the state.
//!
//! It is only asked about what was refused, so it may look twice. It never makes something
//! acceptable: bytes are kept as they are or not at all.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use serde_json::value::RawValue;

/// How far into a text its first lines are looked for, in bytes.
const MAX_BEGINNING: usize = 64 * 1024;

/// What something is that is no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instead {
    what: &'static str,
    advice: &'static str,
}

impl fmt::Display for Instead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this is {}: {}", self.what, self.advice)
    }
}

const fn instead(what: &'static str, advice: &'static str) -> Instead {
    Instead { what, advice }
}

/// How a state is got where it is not known better.
const PULL: &str =
    "`terraform state pull > FILE` (or `tofu state pull`) in the module writes the state";
const DECRYPT: &str = "decrypt it first";

/// The client's own record of its backend.
pub const RECORD: Instead = instead(
    "the client's own record of its backend (`.terraform/terraform.tfstate`), not a state",
    PULL,
);
/// A lock.
pub const LOCK: Instead = instead(
    "a lock, not a state",
    "set the client's lock_address and unlock_address to this address with /lock at its end; \
        `terraform state pull > FILE` writes the state",
);

/// How some bytes begin, and what they are then.
const BEGINNINGS: [(&[u8], Instead); 19] = [
    (
        b"\x1f\x8b",
        instead("compressed by gzip", "unpack it first (`gunzip`)"),
    ),
    (
        b"\x28\xb5\x2f\xfd",
        instead("compressed by zstd", "unpack it first (`unzstd`)"),
    ),
    (
        b"BZh",
        instead("compressed by bzip2", "unpack it first (`bunzip2`)"),
    ),
    (
        b"\xfd7zXZ\0",
        instead("compressed by xz", "unpack it first (`unxz`)"),
    ),
    (
        b"PK\x03\x04",
        instead(
            "a zip file, as a saved plan is (`terraform plan -out`), not a state",
            PULL,
        ),
    ),
    (
        b"PK\x05\x06",
        instead("an empty zip file, not a state", PULL),
    ),
    (
        b"\xef\xbb\xbf",
        instead(
            "text that begins with a byte order mark, which no state has",
            "`tail -c +4 FILE > NEW` takes it away",
        ),
    ),
    (
        b"\xff\xfe\0\0",
        instead(
            "UTF-32, not UTF-8",
            "`iconv -f UTF-32 -t UTF-8 FILE > NEW` converts it",
        ),
    ),
    (b"\xff\xfe", UTF16),
    (b"\xfe\xff", UTF16),
    (
        b"SQLite format 3\0",
        instead("an SQLite database, not a state", PULL),
    ),
    (
        b"\0GITCRYPT\0",
        instead("encrypted by git-crypt", "`git-crypt unlock` decrypts it"),
    ),
    (
        b"version https://git-lfs.github.com/",
        instead(
            "a pointer of Git LFS, not the file",
            "`git lfs pull` brings the file",
        ),
    ),
    (
        b"$ANSIBLE_VAULT",
        instead(
            "encrypted by Ansible Vault",
            "`ansible-vault view FILE` decrypts it",
        ),
    ),
    (
        b"age-encryption.org/",
        instead("encrypted by age", "`age -d` decrypts it"),
    ),
    (
        b"-----BEGIN AGE ENCRYPTED FILE-----",
        instead("encrypted by age", "`age -d` decrypts it"),
    ),
    (
        b"-----BEGIN PGP MESSAGE-----",
        instead("encrypted by PGP", DECRYPT),
    ),
    (
        b"H4sI",
        instead(
            "gzip in base64, as Kubernetes and Consul keep states",
            "`base64 -d FILE | gunzip > NEW` unpacks it",
        ),
    ),
    (
        b"ewog",
        instead("text in base64", "`base64 -d FILE > NEW` decodes it"),
    ),
];

const UTF16: Instead = instead(
    "UTF-16, as PowerShell's `>` writes it, not UTF-8",
    "`iconv -f UTF-16 -t UTF-8 FILE > NEW` converts it, `cmd /c \"terraform state pull > FILE\"` \
        writes it as it is",
);
const UTF16_LITTLE: Instead = instead(
    "UTF-16, not UTF-8",
    "`iconv -f UTF-16LE -t UTF-8 FILE > NEW` converts it",
);
const UTF16_BIG: Instead = instead(
    "UTF-16, not UTF-8",
    "`iconv -f UTF-16BE -t UTF-8 FILE > NEW` converts it",
);
const PAGE: Instead = instead(
    "a web page (HTML), such as one to sign in, not a state",
    "look at the address and the credentials that it was read with",
);
const XML: Instead = instead(
    "XML, as a storage's error message is, not a state",
    "look at the address and the credentials that it was read with",
);
const ADDRESS: Instead = instead(
    "an address, not the state that lies there",
    "read the state from there first",
);
const HCL: Instead = instead(
    "text in Terraform's language (a `.tf` file, or what `terraform show` prints), not a state",
    PULL,
);
const SHOWN: Instead = instead("what a command prints for people, not a state", PULL);
const LOG: Instead = instead("the log of a command with `-json`, not a state", PULL);
const BEHIND_TEXT: Instead = instead(
    "text with something like a state behind it, a warning perhaps",
    "take away what stands before the first `{`, and write stderr elsewhere",
);

/// What bytes are that are no JSON, where that can be told.
pub fn of_bytes(bytes: &[u8]) -> Option<Instead> {
    if let Some((_, found)) = BEGINNINGS
        .iter()
        .find(|(beginning, _)| bytes.starts_with(beginning))
    {
        return Some(*found);
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return Some(instead(
            "a tar archive, not a state",
            "unpack it first; an export is imported whole by `statekeep import`",
        ));
    }
    // A bracket or a line's end takes two bytes there.
    match bytes {
        [first, 0, ..] if first.is_ascii() && *first != 0 => return Some(UTF16_LITTLE),
        [0, first, ..] if first.is_ascii() && *first != 0 => return Some(UTF16_BIG),
        _ => {}
    }
    let beginning = String::from_utf8_lossy(bytes.get(..MAX_BEGINNING).unwrap_or(bytes));
    of_text(beginning.trim_start())
}

fn of_text(text: &str) -> Option<Instead> {
    let lower = text
        .get(..text.floor_char_boundary(64))
        .unwrap_or(text)
        .to_ascii_lowercase();
    let is_one_word = !text.trim_end().contains(char::is_whitespace);
    match () {
        () if lower.starts_with("<!doctype html")
            || lower.starts_with("<html")
            || lower.starts_with("<head")
            || lower.starts_with("<body") =>
        {
            Some(PAGE)
        }
        () if lower.starts_with("<?xml") && text.to_ascii_lowercase().contains("<html") => {
            Some(PAGE)
        }
        () if lower.starts_with("<!--") => Some(PAGE),
        () if lower.starts_with('<') => Some(XML),
        () if is_one_word && text.contains("://") => Some(ADDRESS),
        () if text.starts_with("{\"@level\"") || text.starts_with("{\"@message\"") => Some(LOG),
        () if text.starts_with(['{', '[']) => None,
        () if text.lines().skip(1).any(|line| line.starts_with('{')) && !looks_like_hcl(text) => {
            Some(BEHIND_TEXT)
        }
        () if looks_like_hcl(text) => Some(HCL),
        () if text.starts_with('\u{1b}')
            || lower.starts_with("no state")
            || lower.starts_with("the state file is empty") =>
        {
            Some(SHOWN)
        }
        () => None,
    }
}

/// Whether a text's first line that says something begins a block or an argument, as
/// `resource "x" "y" {` or `name = value`.
fn looks_like_hcl(text: &str) -> bool {
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        if in_comment || line.starts_with("/*") {
            in_comment = !line.ends_with("*/");
            continue;
        }
        if line.is_empty() || line.starts_with('#') || line.starts_with("//") {
            continue;
        }
        let name = line
            .split(|letter: char| !(letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.')))
            .next()
            .unwrap_or_default();
        let rest = line[name.len()..].trim_start();
        return name.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
            && rest.starts_with(['{', '"', '=']);
    }
    // Nothing but comments.
    text.starts_with(['#', '/'])
}

/// Whether a value has the members of an output, as `output -json` prints them.
fn is_shown_output(raw: &&RawValue) -> bool {
    let text = raw.get();
    text.starts_with('{') && text.contains("\"sensitive\"") && text.contains("\"value\"")
}

/// What a JSON object is by its members, where that can be told.
pub fn of_object(text: &str) -> Option<Instead> {
    let members: HashMap<Cow<'_, str>, &RawValue> = serde_json::from_str(text).ok()?;
    let members = Members(members);
    if members.has("format_version") {
        Some(members.with_a_format())
    } else {
        members.of_a_program().or_else(|| members.of_a_server())
    }
}

/// The members of a JSON object.
struct Members<'t>(HashMap<Cow<'t, str>, &'t RawValue>);

impl Members<'_> {
    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.has(name))
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name).is_some_and(|raw| raw.get() == value)
    }

    /// Terraform marks with a format version what it prints for other programs.
    fn with_a_format(&self) -> Instead {
        let is_plan = ["planned_values", "resource_changes", "planned_outputs"];
        let what = if self.has_any(&is_plan) {
            "a plan in JSON (`terraform show -json PLAN`), not a state"
        } else if self.has("provider_schemas") {
            "what `terraform providers schema -json` prints, not a state"
        } else if self.has("valid") {
            "what `terraform validate -json` prints, not a state"
        } else {
            "what `terraform show -json` prints, not a state"
        };
        instead(what, PULL)
    }

    fn of_a_program(&self) -> Option<Instead> {
        if self.has_any(&["backend", "state_store"]) {
            return Some(RECORD);
        }
        if self.has_any(&["@level", "@message"]) {
            return Some(LOG);
        }
        if self.is("format", "\"statekeep-export\"") {
            return Some(instead(
                "the manifest of an export, not a state",
                "`statekeep import` takes the folder that it lies in",
            ));
        }
        if self.has("sops") {
            return Some(instead(
                "encrypted by SOPS",
                "`sops decrypt FILE` decrypts it",
            ));
        }
        self.has_any(&["checkpoint", "deployment"])
            .then_some(instead(
                "a stack of Pulumi, not a state of Terraform or OpenTofu",
                PULL,
            ))
    }

    fn of_a_server(&self) -> Option<Instead> {
        if self.has("apiVersion") && self.has("kind") {
            return Some(instead(
                "an object of Kubernetes, not the state in it",
                "`kubectl get secret NAME -o jsonpath='{.data.tfstate}' | base64 -d | gunzip > \
                    FILE` writes the state",
            ));
        }
        if self.has("data") && !self.has("version") {
            return Some(instead(
                "an answer of an API, not the state that it tells of",
                PULL,
            ));
        }
        let is_error = self.has_any(&["errors", "error", "message", "detail"])
            || (self.has("title") && self.has("status"));
        if is_error {
            return Some(instead(
                "an error message of a server, not a state",
                "look at the address and the credentials that it was read with",
            ));
        }
        let are_outputs = !self.0.is_empty() && self.0.values().all(is_shown_output);
        (are_outputs && !self.has("version")).then_some(instead(
            "what `terraform output -json` prints, not a state",
            PULL,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: &[u8]) -> String {
        let found = of_bytes(bytes).or_else(|| of_object(std::str::from_utf8(bytes).ok()?));
        found.map(|found| found.to_string()).unwrap_or_default()
    }

    fn expect((bytes, words): (&[u8], &str)) {
        let said = said(bytes);
        assert!(
            said.contains(words) && said.is_empty() == words.is_empty(),
            "{}: {said}",
            String::from_utf8_lossy(bytes)
        );
    }

    #[test]
    fn what_is_mistaken_for_a_state_is_known() {
        let utf16 = |text: &str, bytes: fn(u16) -> [u8; 2]| {
            text.encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
        };
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        let cases: [(&[u8], &str); 23] = [
            (b"\x1f\x8b\x08", "gzip"),
            (b"PK\x03\x04tfplan", "saved plan"),
            (b"\xef\xbb\xbf{\"version\":4}", "byte order mark"),
            (
                &[&[0xff, 0xfe][..], &utf16("{}", u16::to_le_bytes)].concat(),
                "PowerShell",
            ),
            (
                &[&[0xfe, 0xff][..], &utf16("{}", u16::to_be_bytes)].concat(),
                "UTF-16",
            ),
            (&utf16("{\n", u16::to_le_bytes), "UTF-16LE"),
            (&utf16("\n{", u16::to_be_bytes), "UTF-16BE"),
            (&tar, "tar archive"),
            (b"<!DOCTYPE html><title>Sign in</title>", "web page"),
            (b"\n  <HTML lang=en>", "web page"),
            (
                b"<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code></Error>",
                "XML",
            ),
            (b"s3://bucket/key.tfstate\n", "an address"),
            (b"resource \"a\" \"b\" {\n}\n", "Terraform's language"),
            (
                b"# terraform_data.a:\nresource \"terraform_data\" \"a\" {\n    id = \
                \"x\"\n}\n",
                "terraform show",
            ),
            (b"/* a\n b */\nterraform {\n}\n", "Terraform's language"),
            (b"name = \"value\"", "Terraform's language"),
            (b"// nothing\n", "Terraform's language"),
            (b"\x1b[0m# aws_x.y", "prints for people"),
            (b"No state.\n", "prints for people"),
            (b"\nWarning: odd\n\n{\n  \"version\": 4\n}\n", "take away"),
            (b"{\"@level\":\"info\"}\n{\"@level\":\"info\"}\n", "the log"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid",
                "git lfs pull",
            ),
            (b"H4sIAAAAAAAA", "base64"),
        ];
        cases.into_iter().for_each(expect);
    }

    #[test]
    fn objects_that_are_mistaken_for_a_state_are_known() {
        let cases: [(&[u8], &str); 13] = [
            (
                br#"{"format_version":"1.0","terraform_version":"1.11.4",
                "values":{"root_module":{}}}"#,
                "`terraform show -json`",
            ),
            (br#"{"format_version":"1.0"}"#, "`terraform show -json`"),
            (
                br#"{"format_version":"1.2","planned_values":{},
                "resource_changes":[]}"#,
                "a plan in JSON",
            ),
            (
                br#"{"version":3,"terraform_version":"1.11.4","backend":{"type":"s3",
                "config":{}}}"#,
                "record of its backend",
            ),
            (br#"{"format_version":"1.0","valid":true}"#, "validate"),
            (
                br#"{"format": "statekeep-export","form":1}"#,
                "manifest of an export",
            ),
            (
                br#"{"o":{"sensitive":false,"type":"string","value":"x"}}"#,
                "output -json",
            ),
            (br#"{"message":"401 Unauthorized"}"#, "error message"),
            (
                br#"{"apiVersion":"v1","kind":"Secret","data":{}}"#,
                "kubectl",
            ),
            (br#"{"data":{"type":"state-versions"}}"#, "an API"),
            (b"this is no state", ""),
            (br#"{"version":4}"#, ""),
            (b"", ""),
        ];
        cases.into_iter().for_each(expect);
    }
}
