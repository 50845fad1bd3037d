//! The links of a group: messages of its header, or a B-tree with nodes of symbols.

use std::mem;

use super::header::Object;
use super::reader::{File, LONGEST, error};
use crate::Error;
use crate::array::push;
use crate::io::bytes::Bytes;

/// The largest number of levels of a B-tree.
const DEEPEST: usize = 16;
/// The kind of a symbol that is a link to a path.
const SOFT_LINK: usize = 2;

fn cut_off() -> Error {
    error("a complete group", "the end of the file")
}

/// Takes the names and addresses of the objects in a group. A dataset has none.
pub(super) fn links(file: &mut File<'_>, object: &mut Object) -> Result<Vec<(String, usize)>, Error> {
    if object.dense {
        let found = "a heap of links (h5repack --high=0 file new.h5 rewrites it)";
        return Err(error("groups with a table of links", found));
    }
    let mut links = mem::take(&mut object.links);
    if let Some((tree, heap)) = object.table {
        let mut heap = file.at(heap)?;
        heap.take(4)
            .filter(|signature| *signature == b"HEAP")
            .ok_or_else(|| error("a heap of names", "another"))?;
        heap.take(4).ok_or_else(cut_off)?;
        let size = heap.count::<8>().ok_or_else(cut_off)?;
        heap.take(8).ok_or_else(cut_off)?;
        let names = file.at(heap.count::<8>().ok_or_else(cut_off)?)?.take(size).ok_or_else(cut_off)?;
        node(file, tree, names, &mut links, 0)?;
    }
    Ok(links)
}

/// Reads a node of the B-tree, or a node of symbols below it.
fn node(
    file: &mut File<'_>,
    address: usize,
    names: &[u8],
    links: &mut Vec<(String, usize)>,
    depth: usize,
) -> Result<(), Error> {
    if depth > DEEPEST || !file.visited.insert(address) {
        return Err(error("a tree of links", "a circle"));
    }
    let mut bytes = file.at(address)?;
    let signature = bytes.take(4).ok_or_else(cut_off)?;
    match signature {
        b"TREE" => {
            bytes.take(2).ok_or_else(cut_off)?;
            let children = bytes.count::<2>().ok_or_else(cut_off)?;
            bytes.take(16).ok_or_else(cut_off)?;
            for _ in 0..children {
                file.step()?;
                // A key, which orders the nodes, before each child.
                bytes.take(8).ok_or_else(cut_off)?;
                let child = bytes.count::<8>().ok_or_else(cut_off)?;
                node(file, child, names, links, depth + 1)?;
            }
        }
        b"SNOD" => {
            bytes.take(2).ok_or_else(cut_off)?;
            let symbols = bytes.count::<2>().ok_or_else(cut_off)?;
            for _ in 0..symbols {
                file.step()?;
                if let Some(link) = symbol(&mut bytes, names).ok_or_else(cut_off)? {
                    push("links", links, link)?;
                }
            }
        }
        _ => return Err(error("a node of links", "other bytes")),
    }
    Ok(())
}

/// Reads a symbol: its name and address. A soft link is none inside.
fn symbol(bytes: &mut Bytes<'_>, names: &[u8]) -> Option<Option<(String, usize)>> {
    let (name, address) = (bytes.count::<8>()?, bytes.count::<8>()?);
    let kind = bytes.count::<4>()?;
    bytes.take(20)?;
    // A name may not be longer than any path that is read.
    let name = names.get(name..)?;
    let name = name.get(..name.len().min(LONGEST))?.split(|&byte| byte == 0).next()?;
    let link = (String::from_utf8_lossy(name).into_owned(), address);
    Some(Some(link).filter(|_| kind != SOFT_LINK))
}
