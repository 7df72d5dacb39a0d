//! What the servers' processes have used: CPU time and memory, as `/proc` tells.

use std::fs::read_to_string;

/// Of several processes together.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    pub cpu_us: u64,
    pub resident_kib: u64,
}

/// What `pids` have used up to now.
pub(super) fn usage(pids: &[u32]) -> Result<Usage, String> {
    let mut sum = Usage::default();
    for pid in pids {
        let read = |name: &str| read_to_string(format!("/proc/{pid}/{name}")).map_err(|e| format!("process {pid}: {e}"));
        let ticks = cpu_ticks(&read("stat")?).ok_or_else(|| format!("process {pid}: its stat cannot be read"))?;
        sum.cpu_us += ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1);
        sum.resident_kib += resident_kib(&read("status")?);
    }
    Ok(sum)
}

/// What the whole machine has used up to now, in microseconds of one processor; 0 where nothing tells.
pub(super) fn machine_cpu_us() -> u64 {
    let stat = read_to_string("/proc/stat").unwrap_or_default();
    busy_ticks(&stat) * 1_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

/// All of the first line but the fourth and fifth field, idle and waiting for disks; guests are in the first two.
fn busy_ticks(stat: &str) -> u64 {
    let fields = stat.lines().next().unwrap_or_default().split_ascii_whitespace().skip(1).take(8).enumerate();
    fields.filter(|(at, _)| *at != 3 && *at != 4).filter_map(|(_, ticks)| ticks.parse::<u64>().ok()).sum()
}

/// User and system time: the 14th and 15th field, counted from behind the name, which may hold anything.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let mut fields = stat[stat.rfind(')')? + 1..].split_ascii_whitespace().skip(11);
    Some(fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?)
}

fn resident_kib(status: &str) -> u64 {
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_proc_says() {
        assert_eq!(cpu_ticks("7 (a) b) S 1 7 7 0 -1 4194560 1 0 0 0 30 12 0 0 20 0 1 0 1"), Some(42));
        assert_eq!(cpu_ticks("7 (a"), None);
        assert_eq!(busy_ticks("cpu  1 2 3 100 100 4 5 6 100 100\ncpu0 9"), 21);
        assert_eq!(busy_ticks(""), 0);
        assert_eq!(resident_kib("VmHWM:\t 9 kB\nVmRSS:\t    1234 kB\n"), 1234);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn of_this_process() {
        assert!(usage(&[std::process::id()]).unwrap().resident_kib > 0);
        assert!(usage(&[u32::MAX]).is_err());
    }
}
