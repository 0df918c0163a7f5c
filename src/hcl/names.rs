//! The files of a directory that each program loads, in the order in which they count. Pure.

use super::program::Program;

/// The language of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// HCL as people write it.
    Native,
    /// Its form in JSON.
    Json,
}

/// The ends of names, the longer ones first, with whether only `OpenTofu` knows them.
const ENDS: [(&str, Language, bool); 4] = [
    (".tofu.json", Language::Json, true),
    (".tf.json", Language::Json, false),
    (".tofu", Language::Native, true),
    (".tf", Language::Native, false),
];

fn end(name: &str) -> Option<&'static (&'static str, Language, bool)> {
    ENDS.iter().find(|(end, ..)| name.ends_with(end))
}

/// The language of a file of this name; none if neither program would load it, such as hidden files
/// and editors' copies.
pub(super) fn language(name: &str) -> Option<Language> {
    let is_ignored = name.starts_with('.')
        || name.ends_with('~')
        || (name.starts_with('#') && name.ends_with('#'));
    end(name)
        .filter(|_| !is_ignored)
        .map(|(_, language, _)| *language)
}

/// The names that a program loads, of sorted ones. Override files are last, since they change all
/// others.
pub(super) fn loaded<'a>(names: &[&'a str], program: Program) -> Vec<&'a str> {
    let is_loaded = |name: &&&str| {
        let Some((end, _, only_tofu)) = end(name).filter(|_| language(name).is_some()) else {
            return false;
        };
        match program {
            Program::Terraform => !only_tofu,
            Program::Tofu => *only_tofu || !is_hidden(name, end, names),
        }
    };
    let (overriding, mut main): (Vec<&str>, Vec<&str>) = names
        .iter()
        .filter(is_loaded)
        .copied()
        .partition(|name| overrides(name));
    main.extend(overriding);
    main
}

/// Whether a file with the same name in `OpenTofu`'s own ending stands beside this one.
fn is_hidden(name: &str, end: &str, names: &[&str]) -> bool {
    let stem = name.strip_suffix(end).unwrap_or(name);
    let other = format!("{stem}{}", end.replace(".tf", ".tofu"));
    names.binary_search(&other.as_str()).is_ok()
}

/// Whether a file only changes others.
pub(super) fn overrides(name: &str) -> bool {
    let stem = end(name)
        .and_then(|(end, ..)| name.strip_suffix(end))
        .unwrap_or(name);
    stem == "override" || stem.ends_with("_override")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_loads_its_own() {
        let mut names = vec![
            "main.tf",
            "main.tofu",
            "other.tf",
            "only.tofu",
            "a.tf.json",
            "a.tofu.json",
            "b.tf.json",
            "override.tf",
            "z_override.tofu",
            "my-override.tf",
            ".hidden.tf",
            ".tf",
            "main.tf~",
            "#main.tf#",
            "main.tfvars",
            "main.tftest.hcl",
            "README.md",
            "main.TF",
            "x.tf.bak",
        ];
        names.sort_unstable();
        let terraform = [
            "a.tf.json",
            "b.tf.json",
            "main.tf",
            "my-override.tf",
            "other.tf",
            "override.tf",
        ];
        assert_eq!(loaded(&names, Program::Terraform), terraform);
        let tofu = [
            "a.tofu.json",
            "b.tf.json",
            "main.tofu",
            "my-override.tf",
            "only.tofu",
            "other.tf",
            "override.tf",
            "z_override.tofu",
        ];
        assert_eq!(loaded(&names, Program::Tofu), tofu);
    }
}
