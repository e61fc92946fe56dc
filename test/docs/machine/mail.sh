#!/bin/sh
# mail USER: what is in the mailbox of a user here.
cat /home/"$1"/Maildir/new/* 2>/dev/null
