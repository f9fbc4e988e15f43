//! A disk in memory that forgets, reorders and tears what was not synced, sector by sector, and fails where it is told.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use leasehold_journal::file::directory::{Access, Directory, DirectoryFile};
use leasehold_journal::limits::SECTOR_BYTES;
use nix::errno::Errno;

use crate::Chance;

/// One directory on the disk. Clones see the same disk.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    files: Vec<Content>,
    names: Names,
    durable_names: Names,
    /// What the directory was since its last sync: after a power cut it is one of these.
    unsynced_names: Vec<Names>,
    published: bool,
    locked: bool,
    faults: Vec<Fault>,
    lies: Vec<(Op, &'static str)>,
    /// Bytes that are free; none is no end of them.
    room: Option<u64>,
    /// Operations until the power fails.
    power_left: Option<usize>,
    log: Vec<(Op, String)>,
}

type Names = BTreeMap<String, usize>;

#[derive(Clone, Default)]
struct Content {
    seen: Vec<u8>,
    durable: Vec<u8>,
    /// Sectors that were written since the last sync, each with all its versions.
    unsynced: BTreeMap<usize, Vec<Vec<u8>>>,
}

/// What is asked of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// A file is made.
    Create,
    /// A file is opened.
    Open,
    /// The directory gets its place.
    Publish,
    /// Bytes are read.
    Read,
    /// A name is taken away.
    Remove,
    /// A file gets another name.
    Rename,
    /// A file is made durable.
    Sync,
    /// The names are made durable.
    SyncNames,
    /// Bytes are written.
    Write,
}

#[derive(Clone)]
struct Fault {
    op: Op,
    name: &'static str,
    errno: Errno,
}

impl Disk {
    /// From now on `op` on files whose name contains `name` fails.
    pub fn fail(&self, op: Op, name: &'static str, errno: Errno) {
        self.state().faults.push(Fault { op, name, errno });
    }

    /// From now on `op` on files whose name contains `name` seems to be done: a sync that stores nothing.
    pub fn lie(&self, op: Op, name: &'static str) {
        self.state().lies.push((op, name));
    }

    /// From now on so many bytes are said to be free.
    pub fn leave_room(&self, bytes: u64) {
        self.state().room = Some(bytes);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.state().faults.clear();
        self.state().power_left = None;
    }

    /// The power fails after the next `operations`. What they wrote without a sync survives in part: that is also how a
    /// write or sync looks that the failure interrupts.
    pub fn power_off_after(&self, operations: usize) {
        self.state().power_left = Some(operations);
    }

    /// What happened since the last call.
    pub fn take_log(&self) -> Vec<(Op, String)> {
        std::mem::take(&mut self.state().log)
    }

    /// The disk as the next process finds it if this one is killed now.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        let mut state = self.state().clone();
        (state.locked, state.power_left) = (false, None);
        Self(Arc::new(Mutex::new(state)))
    }

    /// The disk after a power cut: of every sector that was not synced some version survives.
    #[must_use]
    pub fn after_power_cut(&self, chance: &mut Chance) -> Self {
        self.after_landing(|versions| match chance.below(versions + 1) {
            0 => None,
            version => Some(version - 1),
        })
    }

    /// The disk after a power cut at which `land` chose what survives: of this many versions one, or none.
    #[must_use]
    pub fn after_landing(&self, mut land: impl FnMut(usize) -> Option<usize>) -> Self {
        let mut state = self.state().clone();
        (state.locked, state.power_left) = (false, None);
        let versions = std::mem::take(&mut state.unsynced_names);
        if !versions.is_empty()
            && let Some(version) = land(versions.len())
        {
            state.durable_names = versions[version].clone();
        }
        state.names = state.durable_names.clone();
        for file in &mut state.files {
            for (sector, versions) in std::mem::take(&mut file.unsynced) {
                if let Some(version) = land(versions.len()) {
                    put(&mut file.durable, sector * SECTOR_BYTES, &versions[version]);
                }
            }
            file.seen = file.durable.clone();
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// A disk of its own with the same content.
    #[must_use]
    pub fn copy(&self) -> Self {
        self.after_kill()
    }

    /// The names of all files whose name contains `part`.
    pub fn named(&self, part: &str) -> Vec<String> {
        self.state().names.keys().filter(|name| name.contains(part)).cloned().collect()
    }

    /// What is in a file.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.files[state.names[name]].seen.clone()
    }

    /// Changes a file behind everybody's back.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let file = state.names[name];
        let file = &mut state.files[file];
        change(&mut file.seen);
        (file.durable, file.unsynced) = (file.seen.clone(), BTreeMap::new());
    }

    /// Puts a file there behind everybody's back.
    pub fn place(&self, name: &str, content: Vec<u8>) {
        let mut state = self.state();
        let file = Content { seen: content.clone(), durable: content, unsynced: BTreeMap::new() };
        state.files.push(file);
        let file = state.files.len() - 1;
        state.names.insert(name.to_owned(), file);
        state.durable_names = state.names.clone();
    }

    /// Takes a file away behind everybody's back.
    pub fn lose(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name).expect("there is such a file");
        state.durable_names = state.names.clone();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts, logs and perhaps refuses an operation.
    fn begin(&mut self, op: Op, name: &str) -> io::Result<()> {
        self.use_power()?;
        self.begin_powered(op, name)
    }

    fn begin_powered(&mut self, op: Op, name: &str) -> io::Result<()> {
        self.log.push((op, name.to_owned()));
        self.refuse(op, name)
    }

    /// Fails where it was told to.
    fn refuse(&self, op: Op, name: &str) -> io::Result<()> {
        let fault = self.faults.iter().find(|fault| fault.op == op && name.contains(fault.name));
        fault.map_or(Ok(()), |fault| Err(fault.errno.into()))
    }

    fn use_power(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.power_left {
            *left = left.checked_sub(1).ok_or(Errno::EIO)?;
        }
        Ok(())
    }

    fn change_names(&mut self, change: impl FnOnce(&mut Names)) {
        change(&mut self.names);
        self.unsynced_names.push(self.names.clone());
    }
}

impl Directory for Disk {
    type File = DiskFile;
    type Lock = DiskLock;

    fn path(&self) -> &Path {
        Path::new("simulated")
    }

    fn lock(&self, _name: &str) -> io::Result<Option<DiskLock>> {
        let was_locked = std::mem::replace(&mut self.state().locked, true);
        Ok((!was_locked).then(|| DiskLock(self.clone())))
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.state().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<DiskFile> {
        let mut state = self.state();
        state.begin(Op::Create, name)?;
        state.files.push(Content::default());
        let file = state.files.len() - 1;
        state.change_names(|names| {
            names.insert(name.to_owned(), file);
        });
        Ok(DiskFile { disk: self.clone(), file, name: name.to_owned() })
    }

    fn open(&self, name: &str, _access: Access) -> io::Result<DiskFile> {
        let state = self.state();
        state.refuse(Op::Open, name)?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        drop(state);
        Ok(DiskFile { disk: self.clone(), file, name: name.to_owned() })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Remove, name)?;
        if state.names.contains_key(name) {
            state.change_names(|names| {
                names.remove(name);
            });
        }
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Rename, to)?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change_names(|names| {
            let file = names.remove(from).expect("it was just there");
            names.insert(to.to_owned(), file);
        });
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::SyncNames, "")?;
        state.durable_names = state.names.clone();
        state.unsynced_names.clear();
        Ok(())
    }

    fn room(&self) -> io::Result<u64> {
        Ok(self.state().room.unwrap_or(u64::MAX))
    }

    fn is_published(&self) -> io::Result<bool> {
        Ok(self.state().published)
    }

    fn publish(&self) -> io::Result<()> {
        let mut state = self.state();
        state.begin(Op::Publish, "")?;
        state.published = true;
        Ok(())
    }

    fn in_background(&self, job: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        job();
        Ok(())
    }
}

/// The lock of a disk.
pub struct DiskLock(Disk);

impl Drop for DiskLock {
    fn drop(&mut self) {
        self.0.state().locked = false;
    }
}

/// An open file.
pub struct DiskFile {
    disk: Disk,
    file: usize,
    name: String,
}

impl DirectoryFile for DiskFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.disk.state().files[self.file].seen.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let state = self.disk.state();
        state.refuse(Op::Read, &self.name)?;
        let seen = &state.files[self.file].seen;
        let offset = usize::try_from(offset).expect("a file in memory is no longer");
        let bytes = seen.get(offset..offset + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(bytes);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.begin(Op::Write, &self.name)?;
        let file = &mut state.files[self.file];
        let offset = usize::try_from(offset).expect("a file in memory is no longer");
        put(&mut file.seen, offset, bytes);
        for sector in offset / SECTOR_BYTES..=(offset + bytes.len() - 1) / SECTOR_BYTES {
            let end = file.seen.len().min((sector + 1) * SECTOR_BYTES);
            let version = file.seen[sector * SECTOR_BYTES..end].to_vec();
            file.unsynced.entry(sector).or_default().push(version);
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.use_power()?;
        let outcome = state.begin_powered(Op::Sync, &self.name);
        if state.lies.iter().any(|(op, name)| *op == Op::Sync && self.name.contains(name)) {
            return outcome;
        }
        let file = &mut state.files[self.file];
        // As the kernel does: after a failed sync, too, the pages count as clean and are not written again.
        let written = std::mem::take(&mut file.unsynced);
        if outcome.is_ok() {
            for (sector, versions) in written {
                put(
                    &mut file.durable,
                    sector * SECTOR_BYTES,
                    versions.last().expect("a sector that was written has a version"),
                );
            }
        }
        outcome
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}
