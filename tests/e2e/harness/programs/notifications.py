"""A notification service on the session bus, which records what it is told: notifications.py FILE"""

import json
import sys

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.Notifications"


class Notifications(dbus.service.Object):
    last = 0

    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(self, program, replaces, icon, title, body, actions, hints, lasts_ms):
        if str(title) == "refuse":
            raise dbus.exceptions.DBusException("no", name=NAME + ".Refused")
        number = int(replaces)
        if not number:
            Notifications.last += 1
            number = Notifications.last
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            file.write(json.dumps({
                "program": str(program), "replaces": int(replaces), "icon": str(icon),
                "title": str(title), "body": str(body), "actions": len(actions),
                "urgency": int(hints["urgency"]), "lasts_ms": int(lasts_ms),
                "number": number}) + "\n")
        return dbus.UInt32(number)


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
name = dbus.service.BusName(NAME, bus)
service = Notifications(bus, "/org/freedesktop/Notifications")
print("ready", flush=True)
GLib.MainLoop().run()
