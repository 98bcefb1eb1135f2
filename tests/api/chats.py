"""What the tests of chats share: a template that knows tools and reasoning, and a server with it."""

import tempfile

from serving import Server

TEMPLATE = """{%- if tools %}<tools>{{ tools | tojson }}</tools> answer with <tool_call>{"name": , "arguments": }</tool_call>
{% endif %}{%- for m in messages %}<|im_start|>{{ m.role }}
{% if m.reasoning_content %}<think>{{ m.reasoning_content }}</think>{% endif %}{{ m.content or "" }}
{%- for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
# An answer with all that such a template parts.
CALL = r'root ::= "<think>a b</think>Yes. <tool_call>{\"name\": \"f\", \"arguments\": {\"x\": 1}}</tool_call>"'


class Chat:
    """The built-in model with a chat template that knows tools and reasoning."""

    def __enter__(self):
        self.file = tempfile.NamedTemporaryFile("w", suffix=".jinja")
        self.file.write(TEMPLATE)
        self.file.flush()
        self.server = Server("--chat-template", self.file.name, model=None)
        return self.server

    def __exit__(self, *failure):
        self.server.__exit__(*failure)
        self.file.close()
