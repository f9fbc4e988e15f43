//! The machine that this process runs on, as far as the system tells.

use std::io;
use std::path::Path;

use leasehold_node_core::Machine;

/// Where the hypervisor's firmware interface keeps the VM generation, and how far into the file it is (QEMU).
const VM_GENERATION: (&str, usize) = ("sys/firmware/qemu_fw_cfg/by_name/etc/vmgenid_guid/raw", 40);
const MACHINE_ID: &str = "etc/machine-id";
/// Only root may read it.
const HARDWARE: &str = "sys/class/dmi/id/product_uuid";

/// Looks at this machine.
pub(crate) fn read() -> io::Result<Machine> {
    Ok(Machine { boot_id: leasehold_clock::read()?.boot_id, ..read_in(Path::new("/")) })
}

/// What the files under `root` say; the boot is another matter.
fn read_in(root: &Path) -> Machine {
    let (file, offset) = VM_GENERATION;
    let vm_generation = std::fs::read(root.join(file)).ok();
    let vm_generation = vm_generation.and_then(|bytes| bytes.get(offset..)?.first_chunk().copied());
    Machine {
        boot_id: leasehold_protocol::time::BootId::default(),
        machine_id: id_in(&root.join(MACHINE_ID)),
        hardware: id_in(&root.join(HARDWARE)),
        vm_generation,
    }
}

/// 128 bits as hex digits, with or without hyphens.
fn id_in(file: &Path) -> Option<[u8; 16]> {
    let text = std::fs::read_to_string(file).ok()?;
    let digits: String = text.trim().split('-').collect();
    let hex = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u128::from_str_radix(&digits, 16).ok().filter(|_| hex).map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lay(root: &Path, file: &str, content: &[u8]) {
        let path = root.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    #[test]
    fn what_the_system_tells_is_read_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let nothing = read_in(dir.path());
        assert_eq!((nothing.machine_id, nothing.hardware, nothing.vm_generation), (None, None, None));
        lay(dir.path(), MACHINE_ID, b"00112233445566778899aabbccddeeff\n");
        lay(dir.path(), HARDWARE, b"00112233-4455-6677-8899-aabbccddeef0\n");
        lay(dir.path(), VM_GENERATION.0, &[&[0; 40][..], &[7; 16], &[0; 8]].concat());
        let machine = read_in(dir.path());
        assert_eq!(machine.machine_id.unwrap()[15], 0xff);
        assert_eq!(machine.hardware.unwrap()[15], 0xf0);
        assert_eq!(machine.vm_generation, Some([7; 16]));
        lay(dir.path(), MACHINE_ID, b"uninitialized\n");
        lay(dir.path(), VM_GENERATION.0, &[7; 55]);
        let machine = read_in(dir.path());
        assert_eq!((machine.machine_id, machine.vm_generation), (None, None));
    }

    #[test]
    fn this_machine_can_be_read() {
        assert_eq!(read().unwrap().boot_id, leasehold_clock::read().unwrap().boot_id);
    }
}
