//! What an earlier run left behind on the same data is ended before the next begins, and nothing else is.

use std::process::{Command, Stdio};

use devstack::{Stack, StackConfig};

#[tokio::test]
async fn only_our_own_leftovers_are_killed() {
    // Not named like other tests' runs, which sweep away what nobody has locked.
    let run = format!("leftovers-{}", std::process::id());
    let config = StackConfig { run, external_kafka: Some("127.0.0.1:1".to_owned()), ..StackConfig::test().unwrap() };
    let folder = config.folders.run(&config.run);
    std::fs::create_dir_all(&folder).unwrap();
    // Two sleeping shells: one names the run's folder as a server of it would, the other has only the same process id
    // that a server once had.
    let sleeping = |name: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", "read line", name]).stdin(Stdio::piped()).spawn().unwrap()
    };
    let mut ours = sleeping(folder.to_str().unwrap());
    let mut foreign = sleeping("somebody else's");
    std::fs::write(folder.join("clickhouse.pid"), ours.id().to_string()).unwrap();
    std::fs::write(folder.join("kafka.pid"), foreign.id().to_string()).unwrap();

    let stack = Stack::start(config).await.unwrap();
    assert!(!ours.wait().unwrap().success(), "killed");
    assert_eq!(foreign.try_wait().unwrap(), None, "left alone");
    drop(stack);
    foreign.kill().unwrap();
    foreign.wait().unwrap();
}
