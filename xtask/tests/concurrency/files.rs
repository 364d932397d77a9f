//! Which files of this process are open.

/// Files of this process that are sockets connected to `port`, by the kernel's own books. Other scenarios run beside
/// this one, so their files must not count.
pub(crate) fn sockets_to(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("the kernel's table");
    let remote = format!(":{port:04X}");
    let inodes: Vec<String> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns[2].ends_with(&remote))
        .map(|columns| format!("socket:[{}]", columns[9]))
        .collect();
    let files = std::fs::read_dir("/proc/self/fd").expect("this process has files");
    files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .filter(|target| {
            inodes
                .iter()
                .any(|inode| target.as_os_str() == inode.as_str())
        })
        .count()
}
