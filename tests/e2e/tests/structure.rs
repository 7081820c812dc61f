//! Rules about the repository itself: who may depend on whom, what a committed file may say, what the deployment may set.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// A member of the workspace: its folder's parent, and the other members that are in whatever it is built into.
struct Member {
    folder: String,
    sees: BTreeSet<String>,
}

/// What is for tests and development alone, beside everything in `tests`; it may see services, to start them.
const FOR_TESTS: [&str; 2] = ["devstack", "testkit"];

#[test]
fn domain_and_kit_never_see_each_other() {
    let members = members();
    assert!(!members["domain"].sees.contains("kit"), "domain computes; it must not see kit");
    assert!(!members["kit"].sees.contains("domain"), "kit is for any service; it must not see domain");
}

#[test]
fn services_never_see_each_other() {
    let members = members();
    let services: Vec<_> =
        members.iter().filter(|(name, member)| member.folder == "services" && *name != "flywheel").collect();
    assert!(services.len() >= 3, "the services were not found: {}", services.len());
    for (name, member) in &services {
        for (other, _) in &services {
            assert!(name == other || !member.sees.contains(*other), "{name} sees {other}");
        }
    }
}

#[test]
fn only_the_binary_and_the_tests_see_services() {
    let members = members();
    for (name, member) in
        members.iter().filter(|(name, member)| member.folder != "services" && !for_tests(&members, name))
    {
        let seen = member.sees.iter().find(|other| members[*other].folder == "services");
        assert!(seen.is_none(), "{name} sees the service {}", seen.unwrap());
    }
}

#[test]
fn nothing_that_ships_sees_what_is_for_tests() {
    let members = members();
    for (name, member) in members.iter().filter(|(name, _)| !for_tests(&members, name)) {
        let seen = member.sees.iter().find(|other| for_tests(&members, other));
        assert!(seen.is_none(), "{name} sees {}", seen.unwrap());
    }
}

#[test]
fn no_file_names_a_registry_or_a_path_of_somebody_s_machine() {
    // In pieces, so that this file passes too.
    let hosts = [
        ["registry", "npmjs", "org"].join("."),
        ["repo1", "maven", "org"].join("."),
        ["repo", "maven", "apache", "org"].join("."),
        ["static", "crates", "io"].join("."),
        ["index", "crates", "io"].join("."),
        ["files", "pythonhosted", "org"].join("."),
        ["proxy", "golang", "org"].join("."),
    ];
    let folders = [
        ["", "home", ""].join("/"),
        ["", "root", ""].join("/"),
        ["", "Users", ""].join("/"),
        ["", "work", ""].join("/"),
    ];
    let mut found = Vec::new();
    for (file, text) in committed() {
        for (number, line) in text.lines().enumerate() {
            let host = hosts.iter().find(|host| line.contains(host.as_str()));
            let folder = folders.iter().find(|folder| starts_a_path(line, folder));
            if let Some(named) = host.or(folder) {
                found.push(format!("{file}:{}: {named}", number + 1));
            }
        }
        // npm writes the address of whichever mirror it used.
        if file.ends_with("package-lock.json") && text.contains("\"resolved\"") {
            found.push(format!("{file}: \"resolved\""));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn what_a_document_links_to_is_there() {
    let root = root();
    let documents = committed().filter(|(file, _)| file.ends_with(".md"));
    let missing: Vec<String> = documents
        .flat_map(|(file, text)| {
            let folder = root.join(&file).parent().map(Path::to_owned).unwrap_or_default();
            let links: Vec<String> = text.split("](").skip(1).filter_map(target).map(str::to_owned).collect();
            links.into_iter().filter(move |link| !folder.join(link).exists()).map(move |link| format!("{file}: {link}"))
        })
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The file that a link leads to, from what follows its `](`; none if it leads elsewhere, or to a place in the same file.
fn target(text: &str) -> Option<&str> {
    let link = text.split_once(')')?.0.split('#').next()?;
    (!link.is_empty() && !link.contains([':', ' '])).then_some(link)
}

#[test]
fn the_path_rule_knows_a_path_from_the_middle_of_one() {
    let home = ["", "home", ""].join("/");
    assert!(starts_a_path(&format!("see {home}x/notes"), &home));
    assert!(starts_a_path(&format!("\"{home}x\""), &home));
    assert!(!starts_a_path(&format!("https://example.org{home}x"), &home));
    assert!(!starts_a_path(&format!("$PWD{home}x"), &home));
}

#[test]
fn every_variable_that_compose_sets_is_one_that_flywheel_reads() {
    let compose = fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
    let mut set = Vec::new();
    // The part of the file we are in: a top-level key, or a service by its indentation.
    let mut part = "";
    for line in compose.lines() {
        let indentation = line.len() - line.trim_start().len();
        let Some((key, _)) = line.trim().split_once(':') else { continue };
        if indentation == 0 || (indentation == 2 && part != "x-flywheel") {
            part = key;
        }
        if key.starts_with("FLYWHEEL_") && ["x-flywheel", "migrate", "flywheel", "demo"].contains(&part) {
            set.push(key);
        }
    }
    assert!(set.len() > 10, "the variables were not found: {set:?}");

    let code: String = committed()
        .filter(|(file, _)| file.ends_with(".rs") && !file.starts_with("tests/"))
        .map(|(_, text)| text)
        .collect();
    let unread: Vec<_> = set.into_iter().filter(|name| !code.contains(&format!("\"{name}\""))).collect();
    assert!(unread.is_empty(), "compose.yaml sets what nothing reads: {}", unread.join(", "));
}

#[test]
fn compose_publishes_ports_on_loopback_only_and_pins_every_image() {
    let compose = fs::read_to_string(root().join("deploy/compose.yaml")).unwrap();
    let mut images = 0;
    let mut in_ports = false;
    for line in compose.lines().map(str::trim) {
        if let Some(image) = line.strip_prefix("image: ") {
            images += 1;
            let tag = image.rsplit_once(':').map(|(_, tag)| tag);
            assert!(tag.is_some_and(|tag| tag != "latest"), "{image} is not pinned");
        }
        if in_ports && line.starts_with("- ") {
            assert!(line.starts_with("- \"127.0.0.1:"), "{line} is open to the network");
        } else {
            in_ports = line == "ports:";
        }
    }
    assert!(images > 4, "the images were not found: {images}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap().to_owned()
}

fn for_tests(members: &BTreeMap<String, Member>, name: &str) -> bool {
    members[name].folder == "tests" || FOR_TESTS.contains(&name)
}

/// Every member with all others that it sees, near and far. Dependencies of its own tests are not in what it is built into.
fn members() -> BTreeMap<String, Member> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let names: BTreeSet<&str> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();

    let direct: BTreeMap<&str, Vec<&str>> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let ours = dependencies
                .filter(|dependency| dependency["kind"] != "dev")
                .map(|dependency| dependency["name"].as_str().unwrap())
                .filter(|name| names.contains(name))
                .collect();
            (package["name"].as_str().unwrap(), ours)
        })
        .collect();

    packages
        .iter()
        .map(|package| {
            let name = package["name"].as_str().unwrap();
            let mut sees = BTreeSet::new();
            let mut open = direct[name].clone();
            while let Some(next) = open.pop() {
                if sees.insert(next.to_owned()) {
                    open.extend(&direct[next]);
                }
            }
            let folder = Path::new(package["manifest_path"].as_str().unwrap()).ancestors().nth(2).unwrap();
            let folder = folder.file_name().unwrap().to_string_lossy().into_owned();
            (name.to_owned(), Member { folder, sees })
        })
        .collect()
}

/// The text of every file that git keeps, but for the lock of the crates, whose index is the public one by `deny.toml`.
/// Nothing where the sources came without git.
fn committed() -> impl Iterator<Item = (String, String)> {
    let root = root();
    let listed = if root.join(".git").exists() {
        let output = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .current_dir(&root)
            .output()
            .expect("git can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("file names are UTF-8")
    } else {
        String::new()
    };
    let files: Vec<String> =
        listed.split_terminator('\0').filter(|file| *file != "Cargo.lock").map(str::to_owned).collect();
    files.into_iter().filter_map(move |file| match fs::read(root.join(&file)) {
        Ok(bytes) => Some((file, String::from_utf8_lossy(&bytes).into_owned())),
        // Deleted, and the deletion not yet committed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("cannot read {file}: {error}"),
    })
}

/// Whether `folder` stands at the start of a path in `line`: behind a quote or a blank, not in the middle of an address.
fn starts_a_path(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|c| !(c.is_alphanumeric() || "./_-}$~*>".contains(c)))
    })
}
