//! Schemathesis drives every operation of the document with valid and invalid requests, and every answer is one that the
//! document describes: status, media type, headers, body.
//!
//! It is a Python program from the package index, at the versions of `schemathesis/requirements.txt`, in a folder under `target`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use devstack::Stack;
use serde_json::Value;
use testkit::{
    eventually::eventually,
    flywheel::{Flywheel, succeed},
};
use tokio::process::Command;

const CURRENT_MAX: Duration = Duration::from_secs(120);
const REQUIREMENTS: &str = include_str!("../../schemathesis/requirements.txt");

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_is_one_that_the_document_describes() {
    let program = installed().await;
    let stack = testkit::migrated_stack().await;
    let (flywheel, key) = told(&stack).await;

    let url = flywheel.api_url();
    let output = Command::new(program)
        .args(["--config-file", concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis/schemathesis.toml")])
        .args(["run", &format!("{url}/openapi.json"), "--url", &url])
        .args(["--header", &format!("Authorization: Bearer {key}")])
        // Who may ask what without a key, or with another, is tested operation by operation where keys are.
        .args(["--exclude-checks", "ignored_auth"])
        // The endless stream is tested by hand.
        .args(["--exclude-path-regex", "/stream$"])
        // It leaves notes where it runs.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("SCHEMATHESIS_HOOKS", concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis/hooks.py"))
        .kill_on_drop(true)
        .output()
        .await
        .expect("schemathesis starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

/// An API with the demonstration's rankings, and a key that may read everything.
async fn told(stack: &Stack) -> (Flywheel, String) {
    std::fs::create_dir_all(stack.logs()).expect("a folder");
    let secret = stack.logs().join("key-secret");
    std::fs::write(&secret, "of this test, not of anybody else\n").expect("a file");
    let secret = secret.to_str().expect("a path that is text");
    // Whether an answer is right does not depend on how busy this machine is.
    let env = [("FLYWHEEL_API_REQUEST_MS_MAX", "60000"), ("FLYWHEEL_API_KEY_SECRET_FILE", secret)];
    let flywheel = Flywheel::spawn(stack, "run", &env);
    flywheel.ready().await;
    let scopes = ["--scope", "rankings:read:*", "--scope", "evidence:read", "--scope", "admin"];
    let create =
        [&["keys", "create", "--name", "contract", "--json", "--api-key-secret-file", secret], &scopes[..]].concat();
    let created: Value = serde_json::from_str(&succeed(stack, &create).await).expect("it prints JSON");
    let key = created["key"].as_str().expect("a key").to_owned();
    succeed(stack, &["demo", "--history-only"]).await;
    for team in ["dynamodb", "lambda"] {
        eventually("the demonstration is ranked", CURRENT_MAX, async || {
            let (status, body) = flywheel.get(&format!("/v1/teams/{team}/rankings")).await;
            let listed = body["items"].as_array().map_or(0, Vec::len);
            if status == 200 && listed > 1 { Ok(()) } else { Err(format!("{status} {listed}")) }
        })
        .await;
    }
    (flywheel, key)
}

/// The program, installed by the first test that needs it at these versions.
async fn installed() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("schemathesis");
    let program = folder.join("bin/schemathesis");
    let done = folder.join("requirements.txt");
    if std::fs::read_to_string(&done).is_ok_and(|installed| installed == REQUIREMENTS) {
        return program;
    }
    run("python3", &["-m", "venv", "--clear", &folder.to_string_lossy()]).await;
    let requirements = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis/requirements.txt");
    run(&folder.join("bin/pip").to_string_lossy(), &["install", "--quiet", "--no-deps", "--requirement", requirements])
        .await;
    std::fs::write(done, REQUIREMENTS).expect("the folder can be written");
    program
}

async fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().await;
    let output = output.unwrap_or_else(|error| panic!("{program} is needed for this test: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}
