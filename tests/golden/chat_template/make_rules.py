"""What the reference renders for small templates, a rule of the dialect each.

    python3 make_rules.py > rules.json        (needs jinja2; the file is checked in)

The environment is that of transformers' apply_chat_template: the immutable sandbox of Jinja with
trim_blocks, lstrip_blocks, loop controls, {% generation %}, its own tojson, and the clock held."""
import datetime
import json

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

NOW = datetime.datetime(2026, 11, 25, 12, 0, 0)


class Generation(jinja2.ext.Extension):
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body"), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def environment():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True,
                                        extensions=[Generation, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = NOW.strftime
    return env


VARIABLES = {
    "n": 3, "f": 2.5, "neg": -7, "none_": None, "yes": True, "no": False, "empty": "",
    "s": "Hello, wörld 漢字 👍", "blank": " \t two  words\n ", "quote": "it's \"so\"", "html": "<a & 'b'>",
    "list": [3, 1, 2], "words": ["b", "a", "C", "a"], "mixed": [1, 2.0, "x", None, True, {"k": []}],
    "d": {"b": 1, "a": [1, {"x": None}], "items": "key"}, "big": 9007199254740993, "small": 1e-7,
    "people": [{"name": "Bo", "age": 3, "tags": ["x"]}, {"name": "al", "age": 2, "tags": []},
               {"name": "Cy", "age": 3}],
    "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": None}],
    "csv": "a,b,,c", "lines": "one\ntwo\r\nthree\n", "control": "a\tb\x01\x7f\u200b\u00e9\\",
}

EXPRESSIONS = """
1 + 2 * 3 - 4 / 2
7 // 2, -7 // 2, 7 % 3, -7 % 3, 7 % -3, 2 ** 10, 2 ** -1
7.5 // 2, -7.5 % 2, 1 / 3, 1e16, 1.5e-7, 1e22, 123456789.123, 100.0, 0.1 + 0.2, -0.0
2 ** 62, 0x1F, 0b101, 0o17, 1_000
-2 ** 2, - - 3, +4, not not 1, -n | abs, (-n) | abs
1 < 2 < 3, 1 < 3 < 2, 1 == 1.0, true == 1, "a" < "b", [1, 2] < [1, 3], n >= 3, n != 3
"a" in "cat", 1 in list, "b" in d, 4 not in list, none in mixed, "x" in mixed
yes and n, no or empty, no and x, empty or "else", none_ or no
"a" if yes else "b", "a" if no, ("a" if no) is defined, 1 if no else 2 if no else 3
s ~ n ~ none_ ~ yes ~ f ~ list ~ d
"a" "b" 'c', 'it\\'s', "tab\\t", "\\x41\\u00e9\\U0001F44D\\101", "a\\qb", "line\\
end"
[1, 2] + [3], (1, 2) + (3,), [0] * 3, "ab" * 2, 2 * "x", (), (1,), [], {}
"%s is %d and %.2f|%5s|%-5s|%05d|%x|%%" % ("x", 3, 2.5, "r", "l", 42, 255)
"%s" % list, "%r" % s, "%s" % none_
mixed, d, (1, "a"), [quote], ["it's"], ['"'], [control], [none, true], {1: 2, none: 3}
big, small, f, 1.0, yes, none_, x
s[0], s[-1], s[2:5], s[::-1], s[::2], s[-3:], s[:-3], s[5:2], s[100:], s[-100:3], s[8:2:-2]
list[0], list[-1], list[1:], list[::-1], list[:1], list[5] is defined, (1, 2, 3)[1:], list[true]
d.b, d["b"], d.items is callable, d["items"], d.missing is defined, d.a[1].x, d["a"][0], d.get("zz", 5), d.get("zz")
d.items() | list, d.keys() | list, d.values() | list, d | length, d | list
x is defined, x is undefined, x, x | length, x | list, x | default("d"), x is none, x == y, x ~ "!"
none_ | default("d"), none_ | default("d", true), empty | default("d", true), 0 | d(5), x | d
s | length, list | length, d | count, "" | length, blank | trim, blank | trim | length
s | upper, s | lower, "hello wORLD it's" | title, "hello-world (a b)" | title, "éCOLE" | capitalize, "straße" | upper
"hello wORLD it's".title(), "ÉCOLE x".capitalize(), "x".upper(), "X".lower()
["string", "null"] | upper, none_ | upper, 3 | string, list | string, f | string | length
list | sort, words | sort, words | sort(case_sensitive=true), list | sort(reverse=true), people | sort(attribute="age") | map(attribute="name") | list
people | sort(attribute="age", reverse=true) | map(attribute="name") | join(","), words | unique | list, words | unique(case_sensitive=true) | list
list | max, list | min, [] | max is defined, words | min, people | max(attribute="age"), list | sum, people | sum(attribute="age"), [] | sum
list | first, list | last, "abc" | first, "abc" | last, [] | first is defined, list | reverse | list, "abc" | reverse
list | join, list | join(", "), words | join("-"), people | join("+", attribute="name"), "abc" | join("."), d | join("/")
people | selectattr("tags") | map(attribute="name") | list, people | rejectattr("tags") | list | length
people | selectattr("age", "equalto", 3) | map(attribute="name") | list, people | selectattr("age", "in", [2]) | list | length
list | select("odd") | list, list | reject("odd") | list, list | select(">", 1) | list, mixed | select("string") | list, [0, 1, "", "a"] | select | list
words | map("upper") | list, words | map("replace", "a", "z") | list, people | map(attribute="tags.0", default="-") | list, none_ | map("upper") | list
d | dictsort | list, d | dictsort(reverse=true) | list, {"b": 1, "A": 2} | dictsort(false, "value") | list, {"b": 1, "A": 2} | dictsort(true) | list
d | items | list, x | items | list, d | tojson, mixed | tojson, s | tojson, s | tojson(ensure_ascii=true), control | tojson, control | tojson(true)
d | tojson(indent=2), [] | tojson(indent=2), d | tojson(separators=(",", ":")), {"b": 1, "a": 2} | tojson(sort_keys=true), [1, []] | tojson(indent=0), [1] | tojson(indent="--")
1.0 | tojson, 1e100 | tojson, none_ | tojson, yes | tojson, quote | tojson, html | tojson, {1: 2, none: true, 2.5: 1} | tojson, (1, 2) | tojson
"5" | int, "x" | int, "x" | int(7), 5.9 | int, "5.9" | int, "ff" | int(base=16), none_ | int, yes | int, " 12 " | int, "" | int
"1.5" | float, "x" | float, 3 | float, "x" | float(2.0), "1e3" | float
2.5 | round, 3.5 | round, 2.567 | round(2), 2.1 | round(0, "ceil"), 2.9 | round(0, "floor"), 5 | round, 0.5 | round, 2.675 | round(2)
"a\\nb\\n\\nc" | indent, "a\\nb" | indent(2, true), "a\\n\\nb" | indent(2, blank=true), "a\\nb" | indent("> "), "" | indent, "a\\n" | indent
html | e, html | escape, html | safe, html | safe | e, (html | safe) + "<", "<" + ("x" | safe), ("a" | safe).upper() + "<", ("a" | safe) ~ "<"
"a-b-c" | replace("-", "+"), "a-b-c" | replace("-", "+", 1), "aaa" | replace("", "."), 123 | replace(2, "x")
"%s-%s" | format(1, "b"), [1, 2] | list, "abc" | list, d | attr("b") is defined
csv.split(","), csv.split(",", 1), blank.split(), blank.split(none, 1), csv.rsplit(",", 1), "a b  c".rsplit(none, 1), "".split(), "".split(","), lines.splitlines(), lines.splitlines(true)
"abc".split("b")[0], "a</think>b".split("</think>")[-1], "xay".split("a", 0)
blank.strip(), blank.lstrip(), blank.rstrip(), "xxaxx".strip("x"), "\\n\\nab".lstrip("\\n"), "abcba".rstrip("ab"), "\\u00a0x\\u3000".strip()
s.startswith("Hell"), s.endswith("👍"), s.startswith(("x", "H")), s.endswith(""), "ab".startswith("abc")
s.find("w"), s.find("zz"), "abcabc".rfind("b"), "abcabc".count("bc"), s.index("漢"), "aXbXc".partition("X"), "aXbXc".rpartition("X"), "abc".partition("X"), "abc".rpartition("X")
",".join(words), "-".join("abc"), "{} and {1}".replace("1", ""), "{} {}".format(1, "b"), "{0}{1}{0}".format("a", "b"), "{x}!{{}}".format(x=3)
"123".isdigit(), "12a".isdigit(), "".isdigit(), "abc".isalpha(), "a1".isalnum(), " \\n".isspace(), "prefix-x".removeprefix("prefix-"), "x.py".removesuffix(".py"), "x".removesuffix("")
n is number, n is integer, f is float, yes is number, yes is boolean, yes is integer, s is string, d is mapping, list is sequence, s is sequence, d is sequence, n is sequence
list is iterable, s is iterable, d is iterable, n is iterable, x is iterable, none_ is none, none_ is defined, yes is true, no is false, 1 is true, yes is sameas true
3 is odd, 4 is even, 9 is divisibleby 3, 3 is eq 3, 3 is equalto(3), 3 is ne 4, 3 is gt 2, 3 is ge 3, 3 is lt 3, 3 is le 3, 1 is in [1, 2], "a" is in "cat", "x" is not in ["x"]
"abc" is lower, "ABC" is upper, "aB" is lower, "1" is lower, "upper" is filter, "nope" is filter, "odd" is test, range is callable, n is callable
not x is defined, n is not none, s is string and n is number, s is string or 1/0, (n is defined) ~ "", n is defined and not no
range(3) | list, range(1, 4) | list, range(5, 0, -2) | list, range(0) | list, dict(a=1, b="x"), dict({"a": 1}, b=2)
namespace(a=1).a, namespace(a=1).b is defined, namespace({"q": 2})["q"]
strftime_now("%d %b %Y"), strftime_now("%Y-%m-%d %H:%M:%S %B"), strftime_now("")
list | map("string") | join, [[1, 2], [3]] | map("join", "") | list, [d] | map(attribute="a") | first | first
[1, [2, [3]]] == [1, [2, [3]]], {"a": 1} == {"a": 1.0}, "1" == 1, none_ == no, x == none_
d["a"][1]["x"] is none, messages[-1].content is none, messages[0]["role"] == "user", messages | length
1.__class__ is defined
"abc"[1], "漢字"[1], "abc"[5] is defined, "abc".foo is defined, n.foo is defined
s is string and s | length > 3 and "w" in s, (1, 2) is sequence
"a,b" | replace(",", ";") | upper ~ "!", "x" * 0, [1] * -1, "ab" * n
""".strip("\n")

TEMPLATES = [
    ("block newline", "{% if yes %}\na\n{% endif %}\nb\n"),
    ("variable newline", "{{ n }}\nb\n\n"),
    ("lstrip", "x\n   {% if yes %}  y\n   {% endif %}\n  {{ n }}  {# c #}\n   {# c #}\nz"),
    ("lstrip not after text", "x  {% if yes %}y{% endif %}"),
    ("minus", " a  {%- if yes -%}  b  {%- endif -%}  c  {{- n -}}  d  {#- c -#}  e "),
    ("plus", "a\n   {%+ if yes %}b\n   {%+ endif +%}\nc"),
    ("comment newline", "a\n{# c #}\nb {# c\n #}\nc"),
    ("comment like tags", "{# {% if %} {{ x }} #}{#- - -#}|{##}"),
    ("raw", "{% raw %}\n{{ x }} {% if %}\n{% endraw %}\nb"),
    ("raw minus", "a {%- raw -%} {{ x }} {%- endraw -%} b"),
    ("carriage returns", "a\r\nb\rc{% if yes %}\r\nd{% endif %}\r\n"),
    ("braces within", "{{ {'a': {'b': 1}}['a'] }}{{ '}}' }}{% set x = '%}' %}{{ x }}"),
    ("empty", ""), ("only newline", "\n"), ("two newlines", "\n\n"), ("lonely braces", "{ { } } {a} }}{"),
    ("if chain", "{% for i in [0, 1, 2, 3] %}{% if i == 0 %}a{% elif i == 1 %}b{% elif i == 2 %}c{% else %}d{% endif %}{% endfor %}"),
    ("set in if leaks", "{% if yes %}{% set v = 1 %}{% endif %}{{ v }}"),
    ("set in for does not", "{% set v = 0 %}{% for i in list %}{{ v }}{% set v = i %}{{ v }} {% endfor %}{{ v }}"),
    ("namespace does", "{% set ns = namespace(v=0) %}{% for i in list %}{% set ns.v = ns.v + i %}{% endfor %}{{ ns.v }}"),
    ("namespace is needed", "{% set d2 = {'a': 1} %}{% set d2.a = 2 %}"),
    ("unpack", "{% for a, (b, c) in [(1, (2, 3)), (4, (5, 6))] %}{{ a }}{{ b }}{{ c }} {% endfor %}{% set p, q = 'xy' %}{{ q }}{{ p }}"),
    ("unpack too few", "{% for a, b in [(1,)] %}{% endfor %}"),
    ("unpack too many", "{% set a, b = (1, 2, 3) %}"),
    ("loop variables", "{% for i in words %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}{{ loop.nextitem }};{% endfor %}"),
    ("loop cycle and changed", "{% for i in [1, 1, 2] %}{{ loop.cycle('a', 'b') }}{{ loop.changed(i) }} {% endfor %}"),
    ("loop if", "{% for i in list if i > 1 %}{{ i }}{{ loop.last }}{% else %}none{% endfor %}|{% for i in list if i > 9 %}{{ i }}{% else %}none{% endfor %}"),
    ("loop else", "{% for i in [] %}x{% else %}empty{% endfor %}{% for i in x %}x{% else %}undefined{% endfor %}"),
    ("loop over dict and text", "{% for k in d %}{{ k }},{% endfor %}{% for c in 'aé' %}{{ c }}.{% endfor %}{% for k, v in d.b2 | default({'q': 1}) | items %}{{ k }}{{ v }}{% endfor %}"),
    ("loop over none", "{% for i in none_ %}{% endfor %}"),
    ("break and continue", "{% for i in range(9) %}{% if i == 2 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}"),
    ("nested loops", "{% for i in [1, 2] %}{% for j in [1, 2] %}{{ loop.index }}{% if j == 1 %}{% continue %}{% endif %}{% endfor %}{{ loop.index }};{% endfor %}"),
    ("recursive loop", "{% for i in [{'v': 1, 'c': [{'v': 2, 'c': []}]}] recursive %}{{ i.v }}{{ loop.depth }}[{{ loop(i.c) }}]{% endfor %}"),
    ("macro", "{% macro m(a, b=2, c=a) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(1) }} {{ m(1, c=5) }} {{ m(b=3, a=4) }} {{ m() }}"),
    ("macro sees globals late", "{% macro m() %}{{ v }}{% endmacro %}{% set v = 5 %}{{ m() }}"),
    ("macro does not see loop", "{% macro m() %}{{ i is defined }}{{ n }}{% endmacro %}{% for i in [1] %}{{ m() }}{% endfor %}"),
    ("macro recursion", "{% macro m(k) %}{{ k }}{% if k > 0 %}{{ m(k - 1) }}{% endif %}{% endmacro %}{{ m(5) }}"),
    ("macro too many", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}"),
    ("macro unknown keyword", "{% macro m(a) %}{% endmacro %}{{ m(q=2) }}"),
    ("macro varargs", "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, z=4) }}"),
    ("macro text is text", "{% macro m() %}  x  {% endmacro %}{{ m() | trim | length }}{{ m().strip() }}"),
    ("set in macro stays", "{% set v = 1 %}{% macro m() %}{% set v = 2 %}{{ v }}{% endmacro %}{{ m() }}{{ v }}"),
    ("call", "{% macro m(a) %}<{{ caller() }}{{ a }}>{% endmacro %}{% call m(1) %}in{{ n }}{% endcall %}"),
    ("call with arguments", "{% macro m() %}{{ caller(1, 2) }}{% endmacro %}{% call(a, b=3) m() %}{{ a }}{{ b }}{% endcall %}"),
    ("call without caller", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}"),
    ("caller parameter", "{% macro m(caller=none) %}{{ caller() if caller }}{% endmacro %}{{ m() }}{% call m() %}y{% endcall %}"),
    ("set block", "{% set v %}a{{ n }}\n{% endset %}[{{ v }}]{% set w | upper | trim %} b {% endset %}[{{ w }}]"),
    ("filter block", "{% filter upper | replace('A', 'x') %}a{{ s }}{% endfilter %}"),
    ("with", "{% with a = 1, b = n %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}"),
    ("generation", "{% generation %}a{% set v = 1 %}{% endgeneration %}{{ v is defined }}"),
    ("spread", "{% macro m(a, b, c) %}{{ a }}{{ b }}{{ c }}{% endmacro %}{{ m(*[1, 2], **{'c': 3}) }}{{ m(1, *[2, 3]) }}"),
    ("tuple output", "{{ 1, 'a' }}{% set t = 1, 2 %}{{ t }}"),
    ("if tuple", "{% if 1, 2 %}yes{% endif %}"),
    ("colon", "{% for i in list: %}{{ i }}{% endfor %}{% if yes: %}y{% endif %}"),
    ("raise", "{{ raise_exception('No: ' ~ n) }}"),
    ("raise only when reached", "{% if no %}{{ raise_exception('x') }}{% endif %}ok"),
    ("unknown filter when reached", "{% if yes %}{{ n | nope }}{% endif %}"),
    ("unknown filter unreached", "{% if no %}{{ n | nope }}{{ n is nope2 }}{% endif %}ok"),
    ("undefined attribute", "{{ x.y }}"), ("undefined item", "{{ x['y'] }}"), ("undefined call", "{{ x() }}"),
    ("undefined method", "{{ s.nope() }}"), ("undefined plus", "{{ x + 1 }}"), ("undefined less", "{{ x < 1 }}"),
    ("undefined json", "{{ x | tojson }}"), ("undefined of none", "{{ none_.a }}{{ none_.a.b }}"),
    ("element", "{{ list[9].a }}"), ("attribute of dict", "{{ d.zz.a }}"), ("unsafe", "{{ list.append(1) }}"),
    ("dunder", "{{ ''.__class__ }}"), ("dunder item", "{{ ''['__class__'].x }}"), ("not callable", "{{ n() }}"),
    ("text plus int", "{{ 'a' + 1 }}"), ("list plus text", "{{ list + 'a' }}"), ("zero", "{{ 1 / 0 }}"), ("zero mod", "{{ 1 % 0 }}"),
    ("compare types", "{{ 'a' < 1 }}"), ("in int", "{{ 1 in 2 }}"), ("int in text", "{{ 1 in 'a' }}"), ("length of int", "{{ n | length }}"),
    ("join in text", "{{ ','.join([1]) }}"), ("unhashable", "{{ {[1]: 2} }}"), ("index not found", "{{ 'a'.index('b') }}"), ("empty separator", "{{ 'a'.split('') }}"),
    ("items of list", "{{ list | items | list }}"), ("missing argument", "{{ s | replace('a') }}"), ("extra argument", "{{ s | upper(1) }}"), ("step zero", "{{ list[::0] }}"),
    ("percent arguments", "{{ '%s %s' % (1,) }}"), ("percent too many", "{{ '%s' % (1, 2) }}"), ("percent type", "{{ '%d' % 'a' }}"), ("sort types", "{{ [1, 'a'] | sort }}"),
    ("syntax tag", "{% nope %}"), ("syntax end", "{% if yes %}"), ("syntax for", "{% for in list %}{% endfor %}"), ("syntax open", "{{ n "),
    ("syntax comment", "{# a"), ("syntax string", "{{ 'a }}"), ("syntax brackets", "{{ (1] }}"), ("syntax break", "{% break %}"), ("syntax endif", "{% endif %}"),
    ("syntax keyword order", "{{ dict(a=1, 2) }}"), ("syntax empty", "{{ }}"), ("syntax raw", "{% raw %}a"), ("syntax assign", "{% set 1 = 2 %}"), ("syntax assign true", "{% set true = 2 %}"),
    ("syntax chained is", "{{ n is string is true }}"), ("syntax character", "{{ n ? 1 }}"), ("syntax default order", "{% macro m(a=1, b) %}{% endmacro %}"),
    ("keyword names", "{% set in_ = 1 %}{{ in_ }}{% set notx = 2 %}{{ notx }}{{ nothing is defined }}"),
    ("precedence", "{{ 'a' ~ 1 + 2 }}{{ 1 + 2 ~ 3 }}{{ not n == 3 }}{{ n | string ~ 'x' }}{{ -n | string }}{{ 'a' in 'ab' and not 'c' in 'ab' }}{{ 2 * 3 ~ 1 }}"),
    ("conversation", "{{ bos }}{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + (m.content or '') + '<|end|>\n' }}{% endfor %}{% if no is false %}{{ '<|assistant|>\n' }}{% endif %}"),
]


def render(env, source):
    try:
        return {"text": env.from_string(source).render(**VARIABLES)}
    except jinja2.exceptions.TemplateError as e:
        return {"error": type(e).__name__, "message": str(e)}
    except Exception as e:  # what Python itself raises
        return {"error": type(e).__name__}


def main():
    env = environment()
    rows = [("expression %d" % (i + 1), "{{ %s }}" % e)
            for i, e in enumerate(EXPRESSIONS.replace("\\\nend", "\\@end").split("\n"))]
    rows = [(name, source.replace("\\@end", "\\\nend")) for name, source in rows] + TEMPLATES
    rules = [{"name": name, "template": source, **render(env, source)} for name, source in rows]
    print(json.dumps({"variables": VARIABLES, "rules": rules}, ensure_ascii=False, indent=1))


main()
