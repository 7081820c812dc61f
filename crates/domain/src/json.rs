//! JSON as it is written: a tree that keeps repeated members apart, and points at what is wrong in it.
//!
//! One tree serves good and bad events alike, so that what is accepted and what is complained about cannot differ.
//! Strings without escapes are borrowed from the input.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::record::{Reason, Reject};

/// A JSON value.
pub(crate) enum Node<'a> {
    Null,
    Bool,
    /// A number as a double.
    Float(f64),
    /// A number without fraction, exactly; negative ones are `Float`.
    Integer(u64),
    String(Cow<'a, str>),
    Array(Vec<Node<'a>>),
    /// Members in their order.
    Object(Vec<(Cow<'a, str>, Node<'a>)>),
}

/// The members of an object, however they were read.
pub(crate) trait Members<'a> {
    /// The member of this name, null or not.
    fn find(&self, name: &'static str) -> Result<Option<&Node<'a>>, Reject>;

    /// The member of this name, which must not be null if it is there.
    #[inline]
    fn optional(&self, name: &'static str) -> Result<Option<&Node<'a>>, Reject> {
        match self.find(name)? {
            Some(Node::Null) => Err(Reject::at(name, Reason::NullValue, "null is no value; leave the member out")),
            found => Ok(found),
        }
    }

    /// The member of this name, which must be there.
    #[inline]
    fn required(&self, name: &'static str) -> Result<&Node<'a>, Reject> {
        self.optional(name)?.ok_or_else(|| Reject::at(name, Reason::MissingField, "the member is required"))
    }
}

/// The members of an object in the tree.
pub(crate) struct Branch<'n, 'a>(&'n [(Cow<'a, str>, Node<'a>)]);

/// The value in the text: all of it, and nothing after it.
pub(crate) fn parse(text: &str) -> Result<Node<'_>, Reject> {
    // The parser's messages for syntax name a line and a column and quote nothing.
    serde_json::from_str(text).map_err(|error| Reject::whole(Reason::NotJson, error.to_string()))
}

impl<'a> Node<'a> {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "a boolean",
            Self::Float(_) | Self::Integer(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }

    /// The members, where an object is all that makes sense: the value, the data.
    pub(crate) fn as_object(&self) -> Result<Branch<'_, 'a>, Reject> {
        match self {
            Self::Object(members) => Ok(Branch(members)),
            Self::Null => Err(Reject::whole(Reason::NullValue, "expected an object, found null")),
            other => Err(Reject::whole(Reason::NotAnObject, format!("expected an object, found {}", other.kind()))),
        }
    }
}

impl<'a> Members<'a> for Branch<'_, 'a> {
    fn find(&self, name: &'static str) -> Result<Option<&Node<'a>>, Reject> {
        let mut found = self.0.iter().filter(|(other, _)| other == name);
        let first = found.next();
        if found.next().is_some() {
            return Err(Reject::at(name, Reason::DuplicateField, "the member is there twice"));
        }
        Ok(first.map(|(_, node)| node))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Node<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool)
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Node::Integer(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).map_or(Node::Float(number as f64), Node::Integer))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Node::Float(number))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Node::String(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Node::String(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element()? {
            array.push(item);
        }
        Ok(Node::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        // Nothing in advance: a record of many small objects would multiply it.
        let mut object = Vec::new();
        while let Some(Name(name)) = members.next_key()? {
            object.push((name, members.next_value()?));
        }
        Ok(Node::Object(object))
    }
}

/// A member's name, borrowed where it can be: `Cow`'s own implementation always copies.
struct Name<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(text.to_owned())))
    }
}
