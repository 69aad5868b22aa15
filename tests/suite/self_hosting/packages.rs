//! Debian's packages that the suite needs: installed where they are missing.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Installs `packages`, of which one brings `program`. By one test at a time, as apt takes one.
pub(crate) async fn install(program: &'static str, packages: &'static str) {
    tokio::task::spawn_blocking(move || install_now(program, packages)).await.unwrap();
}

fn install_now(program: &str, packages: &str) {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if is_there(program) {
        return;
    }
    // A daemon that comes with a package is the test's to start, if at all.
    let script = format!("apt-get update && RUNLEVEL=1 apt-get install -y --no-install-recommends {packages}");
    let mut apt = Command::new("sh");
    let installed = apt.args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).output();
    let why = match installed {
        Ok(output) if output.status.success() && is_there(program) => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    panic!("no {program}: run `apt-get update && apt-get install -y {packages}` as root, then this test again\n{why}");
}

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The administrator's programs, on the path or not.
    std::env::split_paths(&path).chain(["/usr/sbin".into()]).any(|folder| Path::new(&folder).join(program).is_file())
}
