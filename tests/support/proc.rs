//! What Linux knows of a process. Taken into tests by `#[path]`.

use std::{fs, time::Duration};

/// A line of `/proc/PID/status`, such as `VmHWM`, in its own unit.
pub fn status(process: u32, name: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The numbers of `/proc/PID/stat` from `first` on, counted from the one behind the state.
fn stat<const COUNT: usize>(process: u32, first: usize) -> [u64; COUNT] {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let mut fields = text.rsplit(") ").next().unwrap().split(' ').skip(first + 1);
    std::array::from_fn(|_| fields.next().unwrap().parse().unwrap())
}

/// CPU time so far.
pub fn cpu(process: u32) -> Duration {
    let [user, system] = stat(process, 10);
    Duration::from_millis((user + system) * 10)
}

/// Page faults so far, of those for which nothing was read.
#[allow(dead_code, reason = "few tests ask")]
pub fn faults(process: u32) -> u64 {
    let [minor] = stat(process, 6);
    minor
}
