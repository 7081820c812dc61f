//! The program `devstack`, on data and ports that nobody else's run has.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
};

use devstack::{Folders, Progress};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use crate::support::processes;

/// A folder of its own that shares the downloads.
async fn folder() -> TempDir {
    let folders = Folders::from_env().unwrap();
    devstack::fetch(&folders, &Progress::silent()).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    symlink(folders.parts(), folder.path().join("parts")).unwrap();
    folder
}

fn listeners() -> [TcpListener; 4] {
    std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap())
}

fn devstack(folder: &Path, ports: &[TcpListener; 4]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_devstack"));
    command.env("FLYWHEEL_DEVSTACK_DIR", folder).stdin(Stdio::null());
    command.env_remove("FLYWHEEL_KAFKA_BROKERS").env_remove("FLYWHEEL_CLICKHOUSE_URL");
    let names = ["KAFKA", "KAFKA_CONTROLLER", "CLICKHOUSE_HTTP", "CLICKHOUSE_NATIVE"];
    for (name, port) in names.iter().zip(ports) {
        command.env(format!("FLYWHEEL_DEVSTACK_{name}_PORT"), port.local_addr().unwrap().port().to_string());
    }
    command
}

/// Starts `devstack up` and returns it once it has printed its environment.
fn up(mut command: Command) -> (Child, Vec<String>) {
    let mut up = command.arg("up").stdout(Stdio::piped()).spawn().unwrap();
    let mut printed = Vec::new();
    for line in BufReader::new(up.stdout.take().unwrap()).lines().map_while(Result::ok) {
        printed.push(line);
        if printed.last().unwrap().starts_with("# to look around") {
            return (up, printed);
        }
    }
    panic!("devstack up ended with {}: {printed:?}", up.wait().unwrap());
}

fn terminate(mut child: Child) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[tokio::test]
async fn up_prints_its_environment_and_ends_everything_on_a_signal() {
    let folder = folder().await;
    let ports = listeners();
    let kafka = ports[0].local_addr().unwrap();
    let command = devstack(folder.path(), &ports);
    drop(ports);
    let (child, printed) = up(command);
    assert!(printed.contains(&format!("export FLYWHEEL_KAFKA_BROKERS='{kafka}'")), "{printed:?}");
    let runs = folder.path().join("runs/local");
    assert_eq!(processes(runs.to_str().unwrap()).len(), 4);
    terminate(child);
    assert_eq!(processes(runs.to_str().unwrap()), [""; 0]);
    assert!(runs.join("kafka/meta.properties").exists(), "the data is kept");
}

#[tokio::test]
async fn what_runs_already_is_used_and_nothing_is_started() {
    let folder = tempfile::tempdir().unwrap();
    // Taken, but nobody needs them.
    let ports = listeners();
    let mut command = devstack(folder.path(), &ports);
    command.env("FLYWHEEL_KAFKA_BROKERS", "kafka.example:9092");
    command.env("FLYWHEEL_CLICKHOUSE_URL", "http://clickhouse.example:8123");
    command.env("FLYWHEEL_CLICKHOUSE_USER", "me").env("FLYWHEEL_CLICKHOUSE_PASSWORD", "mine");
    command.env("FLYWHEEL_CLICKHOUSE_INGEST_USER", "writer");
    let (child, printed) = up(command);
    for expected in [
        "export FLYWHEEL_KAFKA_BROKERS='kafka.example:9092'",
        "export FLYWHEEL_CLICKHOUSE_URL='http://clickhouse.example:8123'",
        "export FLYWHEEL_CLICKHOUSE_MIGRATE_USER='me'",
        "export FLYWHEEL_CLICKHOUSE_MIGRATE_PASSWORD='mine'",
        "export FLYWHEEL_CLICKHOUSE_INGEST_USER='writer'",
        // The shared password belongs to the shared user.
        "export FLYWHEEL_CLICKHOUSE_INGEST_PASSWORD=''",
    ] {
        assert!(printed.iter().any(|line| line == expected), "{expected}: {printed:?}");
    }
    assert_eq!(processes(folder.path().to_str().unwrap()), [""; 0]);
    terminate(child);
}

#[tokio::test]
async fn a_failure_is_one_line_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let ports = listeners();
    let output = devstack(folder.path(), &ports).arg("up").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8(output.stderr).unwrap();
    assert_eq!(printed.lines().count(), 1, "{printed}");
    assert!(
        printed.contains("which Kafka needs, is taken by another program: stop that program, or set "),
        "{printed}"
    );
}
