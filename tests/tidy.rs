//! Keeps the walls of the house: who may depend on whom, where a name may stand, how a file begins.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() && name != "target" && name != "node_modules" && name != ".venv" {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

const FOLDERS: &[&str] =
    &["src", "protocols", "actors", "devices", "dashboards", "loadtest", "tests"];

fn all_sources() -> Vec<PathBuf> {
    FOLDERS.iter().flat_map(|folder| sources(folder)).collect()
}

fn manifest(path: &str) -> toml::Table {
    let text = fs::read_to_string(root().join(path).join("Cargo.toml")).expect("a manifest");
    text.parse().expect("TOML")
}

fn dependencies(path: &str) -> Vec<String> {
    let table = manifest(path);
    table
        .get("dependencies")
        .and_then(|table| table.as_table())
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

#[test]
fn packages_depend_downwards_only() {
    let may: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("protocols", &[] as &[&str]),
        ("actors/rules", &["shanmen-protocols"]),
        ("actors", &["shanmen-protocols", "shanmen-rules"]),
        ("devices", &["shanmen-protocols", "shanmen-rules"]),
        ("dashboards", &["shanmen-protocols"]),
        ("loadtest", &["shanmen-protocols", "shanmen-rules", "shanmen-devices"]),
    ]);
    for (package, allowed) in may {
        for dependency in dependencies(package) {
            if dependency.starts_with("shanmen") {
                assert!(
                    allowed.contains(&dependency.as_str()),
                    "{package} must not depend on {dependency}"
                );
            }
        }
    }
    assert!(!dependencies(".").contains(&"shanmen-loadtest".to_owned()));
}

#[test]
fn actix_and_sql_stay_where_they_belong() {
    for (library, homes) in [
        ("actix", &["actors"] as &[&str]),
        ("actix-rt", &["actors"]),
        ("rusqlite", &["actors", "devices"]),
        ("mqtt5", &["actors", "loadtest"]),
        // The load test watches the feed as viewers do.
        ("tokio-tungstenite", &["dashboards", "loadtest"]),
    ] {
        for package in
            [".", "protocols", "actors", "actors/rules", "devices", "dashboards", "loadtest"]
        {
            assert!(
                homes.contains(&package) || !dependencies(package).contains(&library.to_owned()),
                "{library} must not be a dependency of {package}"
            );
        }
    }
}

#[test]
fn sql_is_spoken_in_two_places() {
    let homes = ["actors/src/ledger", "devices/src/storage", "tests"];
    for path in all_sources() {
        let inside = path.strip_prefix(root()).expect("a path of ours");
        if homes.iter().any(|home| inside.starts_with(home)) {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            assert!(
                !code.contains("rusqlite"),
                "{}:{}: the database is named in {} only",
                inside.display(),
                number + 1,
                homes[..2].join(" and ")
            );
        }
    }
}

#[test]
fn every_source_file_says_what_it_is() {
    for path in all_sources() {
        let text = fs::read_to_string(&path).expect("a source");
        assert!(text.starts_with("//! "), "{} does not begin with `//! `", path.display());
    }
}

#[test]
fn topics_are_written_in_one_place() {
    for path in all_sources() {
        let inside = path.strip_prefix(root()).expect("a path of ours");
        if inside.starts_with("protocols") || inside.starts_with("tests") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            // A test inside a package may spell a topic out, to check that it is the right one.
            let tested = text.find("#[cfg(test)]").is_some_and(|at| {
                text.lines().take(number).map(|line| line.len() + 1).sum::<usize>() > at
            }) || inside.components().any(|part| part.as_os_str() == "tests");
            assert!(
                tested || !code.contains("sm/1"),
                "{}:{}: topics are made in protocols/src/topic.rs",
                inside.display(),
                number + 1
            );
        }
    }
}

#[test]
fn the_clock_is_read_in_clock_files_only() {
    for path in all_sources() {
        let inside = path.strip_prefix(root()).expect("a path of ours");
        let is_clock = path.file_name().is_some_and(|name| name == "clock.rs")
            || inside.components().any(|part| part.as_os_str() == "examples");
        if is_clock || inside.starts_with("tests") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a source");
        for word in ["SystemTime::now", "Timestamp::now", "Zoned::now"] {
            assert!(
                !text.contains(word),
                "{} reads the clock with {word}: time is an argument",
                inside.display()
            );
        }
    }
}

#[test]
fn the_top_level_holds_what_it_should() {
    let known = [
        "Cargo.toml",
        "Cargo.lock",
        "src",
        "actors",
        "devices",
        "protocols",
        "dashboards",
        "tests",
        "loadtest",
        "README.md",
        "deploy",
        "target",
        "shanmen-data",
    ];
    for entry in fs::read_dir(root()).expect("the root").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        assert!(
            name.starts_with('.') || known.contains(&name.as_str()),
            "{name} does not belong at the top level"
        );
    }
}
