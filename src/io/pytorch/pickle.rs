//! The pickle machine: it turns opcodes into values. It calls nothing, imports nothing, and takes memory in
//! proportion to the pickle's bytes.

use std::collections::BTreeMap;

use super::callable;
use super::value::{Item, Key, Storage, Value, Values};
use crate::Error;
#[cfg(doc)]
use crate::ErrorKind;
use crate::array::{listed, push, room};
use crate::io::bytes::Bytes;
use crate::io::format_error;

/// The largest length in bytes of the name of a storage or of a callable.
const LONGEST: usize = 512;
/// What lacks memory, in errors.
const PICKLE: &str = "the values of a pickle";

/// A machine with what the pickle has made so far.
pub(super) struct Machine<'a, 'v> {
    bytes: Bytes<'a>,
    values: &'v mut Values<'a>,
    stack: Vec<Value<'a>>,
    /// The heights of the stack at the marks.
    marks: Vec<usize>,
    memo: BTreeMap<usize, Value<'a>>,
}

/// Reads one pickle from the front of `bytes`. Returns its value and the bytes behind it.
///
/// # Errors
///
/// [`ErrorKind::File`] for an opcode or a callable that is not in a list of PyTorch's, which it names, and for
/// a pickle that is broken.
pub(super) fn read<'a>(bytes: &'a [u8], values: &mut Values<'a>) -> Result<(Value<'a>, &'a [u8]), Error> {
    let memo = BTreeMap::new();
    let mut machine =
        Machine { bytes: Bytes { rest: bytes }, values, stack: Vec::new(), marks: Vec::new(), memo };
    let value = machine.run()?;
    Ok((value, machine.bytes.rest))
}

fn error(expected: &str, found: impl std::fmt::Display) -> Error {
    format_error("pickle", expected, found)
}

fn cut_off() -> Error {
    error("an opcode with its operand", "the end of the file")
}

fn empty() -> Error {
    error("an operand on the stack", "none")
}

impl<'a> Machine<'a, '_> {
    fn run(&mut self) -> Result<Value<'a>, Error> {
        loop {
            let opcode = self.bytes.u8().ok_or_else(cut_off)?;
            if opcode == b'.' {
                return self.pop();
            }
            match self.literal(opcode) {
                Some(value) => {
                    let value = value.ok_or_else(cut_off)?;
                    self.put(value)?;
                }
                None => self.step(opcode)?,
            }
        }
    }

    /// Reads a literal. Returns none for another opcode, and none inside if the operand is cut off.
    fn literal(&mut self, opcode: u8) -> Option<Option<Value<'a>>> {
        let bytes = &mut self.bytes;
        let number = |value: Option<i64>| value.map_or(Value::Other, Value::Int);
        Some(match opcode {
            b'N' | 0x88 | 0x89 => Some(Value::Other),
            b'G' => bytes.take(8).map(|_| Value::Other),
            b'J' => bytes.long(4).map(number),
            b'K' => bytes.count::<1>().map(|value| number(i64::try_from(value).ok())),
            b'M' => bytes.count::<2>().map(|value| number(i64::try_from(value).ok())),
            0x8A => bytes.count::<1>().and_then(|count| bytes.long(count)).map(number),
            0x8B => bytes.count::<4>().and_then(|count| bytes.long(count)).map(number),
            // The numbers of protocol 0, as text.
            b'I' | b'L' => bytes.line().map(|line| {
                let text = str::from_utf8(line).unwrap_or_default();
                number(text.trim_end_matches('L').parse().ok())
            }),
            b'F' => bytes.line().map(|_| Value::Other),
            b'U' | b'C' | 0x8C => bytes.counted::<1>().map(Value::Text),
            b'T' | b'B' | b'X' => bytes.counted::<4>().map(Value::Text),
            0x8D | 0x8E | 0x96 => bytes.counted::<8>().map(Value::Text),
            b'c' => match (bytes.line(), bytes.line()) {
                (Some(module), Some(name)) => Some(Value::Global(module, name)),
                _ => None,
            },
            _ => return None,
        })
    }

    fn step(&mut self, opcode: u8) -> Result<(), Error> {
        match opcode {
            // The protocol's number, and the length of a frame.
            0x80 => self.bytes.take(1).map(|_| ()).ok_or_else(cut_off)?,
            0x95 => self.bytes.take(8).map(|_| ()).ok_or_else(cut_off)?,
            b'(' => push(PICKLE, &mut self.marks, self.stack.len())?,
            b'0' => _ = self.pop()?,
            b'1' => _ = self.above_mark()?,
            b'2' => {
                let top = *self.stack.last().ok_or_else(empty)?;
                self.put(top)?;
            }
            b')' | b']' | 0x8F => self.sequence(&[])?,
            b't' | b'l' | 0x91 => {
                let elements = self.above_mark()?;
                self.sequence(&elements)?;
            }
            0x85..=0x87 => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count).ok_or_else(empty)?;
                let elements = self.split_off(start)?;
                self.sequence(&elements)?;
            }
            b'}' => self.dict(&[])?,
            b'd' => {
                let elements = self.above_mark()?;
                self.dict(&elements)?;
            }
            b'a' => {
                let element = self.pop()?;
                self.extend(&[element], false)?;
            }
            b'e' | 0x90 => {
                let elements = self.above_mark()?;
                self.extend(&elements, false)?;
            }
            b's' => {
                let value = self.pop()?;
                let key = self.pop()?;
                self.extend(&[key, value], true)?;
            }
            b'u' => {
                let elements = self.above_mark()?;
                self.extend(&elements, true)?;
            }
            b'q' | b'r' | b'p' | 0x94 => self.remember(opcode)?,
            b'h' | b'j' | b'g' => self.recall(opcode)?,
            b'Q' => self.persistent()?,
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Value::Text(name), Value::Text(module)) = (name, module) else {
                    return Err(error("the names of a callable", "something else"));
                };
                self.put(Value::Global(module, name))?;
            }
            b'R' | 0x81 => {
                let arguments = self.pop()?;
                self.call(arguments)?;
            }
            0x92 => {
                let _keywords = self.pop()?;
                let arguments = self.pop()?;
                self.call(arguments)?;
            }
            b'b' => self.build()?,
            other => {
                let expected = "an opcode that torch.save writes";
                return Err(error(expected, format_args!("opcode {other:#04x}")));
            }
        }
        Ok(())
    }

    fn pop(&mut self) -> Result<Value<'a>, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len() > floor {
            true => self.stack.pop().ok_or_else(empty),
            false => Err(empty()),
        }
    }

    fn above_mark(&mut self) -> Result<Vec<Value<'a>>, Error> {
        let start = self.marks.pop().ok_or_else(|| error("a mark on the stack", "none"))?;
        self.split_off(start.min(self.stack.len()))
    }

    /// Takes the values of the stack from `start` on.
    fn split_off(&mut self, start: usize) -> Result<Vec<Value<'a>>, Error> {
        let values = self.stack.drain(start..);
        listed(PICKLE, values.len(), values.map(Ok))
    }

    /// Puts a value on the stack.
    fn put(&mut self, value: Value<'a>) -> Result<(), Error> {
        push(PICKLE, &mut self.stack, value)
    }

    fn sequence(&mut self, elements: &[Value<'a>]) -> Result<(), Error> {
        let mut items = Vec::new();
        add(&mut items, elements, false)?;
        self.values.make_room()?;
        let place = self.values.contain(items);
        self.put(Value::Sequence(place))
    }

    fn dict(&mut self, elements: &[Value<'a>]) -> Result<(), Error> {
        let mut items = Vec::new();
        add(&mut items, elements, true)?;
        self.values.make_room()?;
        let place = self.values.contain(items);
        self.put(Value::Dict(place))
    }

    /// Adds elements, or keys and values, to the container on the stack.
    fn extend(&mut self, elements: &[Value<'a>], named: bool) -> Result<(), Error> {
        let top = *self.stack.last().ok_or_else(empty)?;
        let (Value::Sequence(place) | Value::Dict(place) | Value::Object(place)) = top else {
            return Err(error("a container for elements", "something else"));
        };
        match self.values.containers.get_mut(place) {
            Some(container) => add(container, elements, named),
            None => Ok(()),
        }
    }

    fn remember(&mut self, opcode: u8) -> Result<(), Error> {
        let key = match opcode {
            0x94 => Some(self.memo.len()),
            _ => self.memo_key(opcode),
        };
        let top = *self.stack.last().ok_or_else(empty)?;
        self.memo.insert(key.ok_or_else(cut_off)?, top);
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), Error> {
        let key = self.memo_key(opcode).ok_or_else(cut_off)?;
        let value =
            self.memo.get(&key).ok_or_else(|| error("a value in the memo", format_args!("none at {key}")))?;
        self.put(*value)
    }

    fn memo_key(&mut self, opcode: u8) -> Option<usize> {
        match opcode {
            b'q' | b'h' => self.bytes.count::<1>(),
            b'r' | b'j' => self.bytes.count::<4>(),
            _ => str::from_utf8(self.bytes.line()?).ok()?.parse().ok(),
        }
    }

    /// Makes a storage of a persistent id: its type, key, place and size and, in files before PyTorch 1.6,
    /// the part of another storage that it is. A class of a module that was saved whole has one, too.
    fn persistent(&mut self) -> Result<(), Error> {
        let id = self.pop()?;
        let items = self.values.sequence(id);
        let at = |place: usize| items.get(place).map_or(Value::Other, |item| item.value);
        let value = match (at(0), at(1), at(2)) {
            (Value::Text(b"storage"), Value::Global(_, class), Value::Text(key)) => {
                let view = self.values.sequence(at(5));
                let offset = match view.get(1).map(|item| item.value) {
                    Some(Value::Int(offset)) => usize::try_from(offset)
                        .map_err(|_| error("an offset in a storage", format_args!("{offset}")))?,
                    _ => 0,
                };
                if key.len() > LONGEST {
                    return Err(error("a short name of a storage", format_args!("{} bytes", key.len())));
                }
                push(PICKLE, &mut self.values.storages, Storage { key, dtype: class, offset })?;
                Value::Storage(self.values.storages.len() - 1)
            }
            (Value::Text(b"module"), class @ Value::Global(..), _) => class,
            _ => return Err(error("the persistent id of a storage", "another one")),
        };
        self.put(value)
    }

    /// Makes what the callable on the stack would make of its arguments.
    fn call(&mut self, arguments: Value<'a>) -> Result<(), Error> {
        let callable = self.pop()?;
        let Value::Global(module, name) = callable else {
            return Err(error("a callable by its name", "something else"));
        };
        if module.len().max(name.len()) > LONGEST {
            return Err(error("a callable with a short name", "one with a long name"));
        }
        let [module, name] = [module, name].map(String::from_utf8_lossy);
        self.values.make_room()?;
        let made = callable::call(self.values, (&module, &name), arguments);
        let expected = "callables of a state dict only (in Python: torch.save(model.state_dict(), file))";
        let made = made.ok_or_else(|| error(expected, format_args!("{module}.{name}")))?;
        let what = format!("arguments of {module}.{name}");
        self.put(made.map_err(|found| format_error(&what, "those of a tensor", found))?)
    }

    /// Gives the object on the stack its state.
    fn build(&mut self) -> Result<(), Error> {
        let state = self.pop()?;
        // A state dict's own state is metadata. An object without `__slots__` has a dictionary.
        if let (Some(Value::Object(place)), Value::Dict(_) | Value::Object(_)) = (self.stack.last(), state)
            && let Some(container) = self.values.containers.get_mut(*place)
        {
            push(PICKLE, container, Item { key: Key::Inside, value: state })?;
        }
        Ok(())
    }
}

/// Adds elements to a container; if they are named, keys and values take turns.
fn add<'a>(container: &mut Vec<Item<'a>>, elements: &[Value<'a>], named: bool) -> Result<(), Error> {
    if named {
        let (pairs, _) = elements.as_chunks::<2>();
        room(PICKLE, container, pairs.len())?;
        container.extend(pairs.iter().map(|&[key, value]| Item { key: Key::Named(key), value }));
    } else {
        room(PICKLE, container, elements.len())?;
        container.extend(elements.iter().map(|&value| Item { key: Key::Place, value }));
    }
    Ok(())
}
